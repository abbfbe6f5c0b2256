"""The order API: `PIPELINES=shop.pipelines playground up shop.app:app`."""

from typing import Any

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from background.app import include_in
from background.jobs import enqueue
from shop.tables import Order, engine

app = FastAPI(title="Shop")
include_in(app, prefix="/durable", canvas=False, documents=False)


class NewOrder(BaseModel):
    """What somebody orders."""

    item: str = Field(min_length=1, max_length=200)
    cents: int = Field(gt=0, lt=2**31)


@app.post("/orders", status_code=201)
def create_order(wanted: NewOrder) -> dict[str, int]:
    """Take an order; with it, or not at all, there is the job that invoices it."""
    with Session(engine) as session, session.begin():
        order = Order(item=wanted.item, cents=wanted.cents)
        session.add(order)
        session.flush()
        job = enqueue(session, "invoice", {"order": order.id})
        return {"order": order.id, "job_id": job.id}


@app.get("/orders/{number}")
def get_order(number: int) -> dict[str, Any]:
    """What became of an order. Raises 404."""
    with Session(engine) as session:
        order = session.get(Order, number)
        if order is None:
            raise HTTPException(404, "There is no such order.")
        return {"order": order.id, "item": order.item, "status": order.status, "charge": order.charge}
