"""The web page: static files without a build step, and how they are served."""
