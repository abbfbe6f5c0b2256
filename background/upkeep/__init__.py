"""What a worker does beside its tasks: three `loops`, begun when Celery calls `hooks`; each piece of work in a file."""
