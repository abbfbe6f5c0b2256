"""The list of workers: who is there, what each can run, and what it saw of the queue."""
