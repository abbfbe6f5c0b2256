"""Stored documents: keeping, reading, analysing and reporting on them. Files only, no server."""
