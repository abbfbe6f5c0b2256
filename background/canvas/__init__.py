"""Celery canvases, recorded in PostgreSQL with their graph before anything is published."""
