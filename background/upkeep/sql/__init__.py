"""SQL of what concerns jobs and runs alike."""
