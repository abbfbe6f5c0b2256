"""The web page: its sources in `static`, the same packed in `packed`, and how they are served."""
