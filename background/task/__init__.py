"""The Celery tasks. They are thin: each hands over to a function that can be called without Celery."""
