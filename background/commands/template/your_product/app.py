"""The API: `playground up your_product.app:app`."""

from fastapi import FastAPI
from sqlalchemy import create_engine

from background.app import include_in
from background.jobs import enqueue
from background.settings import get_settings
from your_product.pipelines import InvoiceParams

engine = create_engine(get_settings().sqlalchemy_url)
app = FastAPI(title="your_product")
include_in(app, canvas=False, documents=False)


@app.post("/orders", status_code=201)
def create_order(order: InvoiceParams) -> dict[str, int]:
    """Take an order; what follows from it is `GET /jobs/{job_id}`."""
    with engine.begin() as connection:
        # What you store of the order goes here: it and the job are committed together, or neither is.
        job = enqueue(connection, "invoice", order)
    return {"job_id": job.id}
