"""Bare Celery: an application of its own that takes the same canvases as JSON, and shares no code with `background`."""
