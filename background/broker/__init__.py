"""What is asked of the broker, and what is put into its queues. What a worker takes from them: `intake`."""
