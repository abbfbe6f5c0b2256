"""Celery Playground: a durable job pipeline and a canvas playground on FastAPI, Celery, Redis and PostgreSQL."""
