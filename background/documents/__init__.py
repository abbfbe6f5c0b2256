"""Stored documents: kept, read, analysed, reported on. Files alone, but for `router`, which starts canvases on them."""
