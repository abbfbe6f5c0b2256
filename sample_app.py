"""The router of all canvas endpoints: what is to run, and what became of it."""

from fastapi import APIRouter

from background.canvas.router import router as canvases
from background.outcomes.router import router as results

router = APIRouter()
router.include_router(canvases)
router.include_router(results)
