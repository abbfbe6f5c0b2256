"""Somebody's own application, with ours in it: mounted below /mounted, and as routes of its own below /durable."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException

from background.app import create_app, include_in


async def require_user(x_user: Annotated[str | None, Header()] = None) -> None:
    """Whoever says a name may come in."""
    if x_user is None:
        raise HTTPException(401, "Who are you?")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
    """Its own."""
    yield {"shop": "open"}


app = FastAPI(lifespan=lifespan)
app.mount("/mounted", create_app(canvas=False, documents=False))
include_in(app, prefix="/durable", dependencies=[Depends(require_user)], documents=False)


@app.get("/orders/{number}")
async def order(number: int) -> dict[str, int]:
    """One of its own routes."""
    return {"number": number}
