"""The FastAPI application: `uvicorn main:app`."""

from background.app import create_app

app = create_app()
