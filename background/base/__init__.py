"""What has no part of the application under it: errors, JSON, text, logs."""
