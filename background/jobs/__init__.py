"""Durable multi-step jobs: PostgreSQL is the truth, a Celery message only wakes a worker."""
