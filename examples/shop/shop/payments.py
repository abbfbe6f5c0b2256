"""Somebody else's payment service, as bad as they are: `uvicorn shop.payments:app --port 8100`.

Of each charge the first request fails before anything happened, and the second after it has happened.
"""

from typing import Annotated

from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel, Field

app = FastAPI(title="Payments")
asked: dict[str, int] = {}
charges: dict[str, int] = {}


class Charge(BaseModel):
    """How much."""

    cents: int = Field(gt=0)


@app.post("/charges")
async def charge(body: Charge, idempotency_key: Annotated[str, Header()]) -> dict[str, str]:
    """Charge once for each key, however often it is asked."""
    number = asked[idempotency_key] = asked.get(idempotency_key, 0) + 1
    if number == 1:
        raise HTTPException(503, "Come again.")
    charges.setdefault(idempotency_key, body.cents)
    if number == 2:
        raise HTTPException(503, "It has been charged, but who would know?")
    return {"charge": f"charge-{[*charges].index(idempotency_key) + 1}"}


@app.get("/charges")
async def list_charges() -> dict[str, int]:
    """Everything that was ever charged."""
    return charges
