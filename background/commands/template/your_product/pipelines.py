"""What is to be done, step by step; `PIPELINES` in `.env` names this module."""

from typing import Any

from pydantic import Field

from background.jobs import Params, Pipeline, StepContext


class InvoiceParams(Params):
    """What was ordered, and for how much."""

    item: str = Field(min_length=1)
    cents: int = Field(gt=0)


invoice = Pipeline("invoice", InvoiceParams, "Write an invoice, then send it.")


@invoice.step
def write(context: StepContext, params: InvoiceParams) -> dict[str, Any]:
    """What a step returns is stored, shown, and given to those behind it."""
    return {"number": f"INV-{context.job_id}", "cents": params.cents}


@invoice.step
def send(context: StepContext, params: InvoiceParams) -> dict[str, Any]:
    """A step runs again where its worker died in it: `context.key` stays the same, for whoever must not do it twice."""
    return {"sent": context.outputs["write"]["number"], "item": params.item, "key": context.key}
