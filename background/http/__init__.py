"""What all routes share: who may ask, how much, how fast, and how an error is told."""
