"""How an order is invoiced."""

import json
import os
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from pydantic import Field
from sqlalchemy import update
from sqlalchemy.orm import Session

from background.jobs import NoRetry, Params, Pipeline, StepContext
from shop.tables import Order, engine

PAYMENTS = os.environ.get("PAYMENTS_URL", "http://127.0.0.1:8100")
SECONDS = 10


class InvoiceParams(Params):
    """`order` is the number of an order."""

    order: int = Field(ge=1)


invoice = Pipeline("invoice", InvoiceParams, "Write the invoice of an order, charge it, settle the order.")


@invoice.step
def write(context: StepContext, params: InvoiceParams) -> dict[str, Any]:
    """What is owed, as it is now: later steps go by this, whatever becomes of the order."""
    with Session(engine) as session:
        order = session.get(Order, params.order)
        if order is None:
            raise NoRetry(f"There is no order {params.order}.")
        return {"number": f"INV-{order.id}", "item": order.item, "cents": order.cents}


@invoice.step
def charge(context: StepContext, params: InvoiceParams) -> str:
    """An effect outside. Without an answer nobody knows whether it happened: `context.key` makes asking again safe.

    Raises `HTTPError` for what may pass, so that the step is tried again.
    """
    cents = context.outputs["write"]["cents"]
    headers = {"Content-Type": "application/json", "Idempotency-Key": context.key}
    asked = Request(f"{PAYMENTS}/charges", json.dumps({"cents": cents}).encode(), headers)
    try:
        with urlopen(asked, timeout=SECONDS) as answer:
            return str(json.load(answer)["charge"])
    except HTTPError as error:
        if error.code < 500:
            raise NoRetry(f"The payment service refuses: {error.code}.") from error
        raise


@invoice.step
def settle(context: StepContext, params: InvoiceParams) -> dict[str, Any]:
    """An effect in the database that may be repeated: the second time nothing is left to do."""
    paid = {"status": "paid", "charge": context.outputs["charge"]}
    with engine.begin() as connection:
        connection.execute(update(Order).where(Order.id == params.order, Order.status == "open").values(paid))
    return {"invoice": context.outputs["write"]["number"], **paid}
