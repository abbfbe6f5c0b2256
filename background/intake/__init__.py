"""What comes in from the broker, which may hold anything: a message that cannot be used is dropped with one line."""
