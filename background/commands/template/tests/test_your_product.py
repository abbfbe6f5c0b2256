"""The pipeline alone, and the product as its users have it."""

from collections.abc import Callable

from background.testing.run import Run
from background.testing.stack import Stack


def test_an_invoice_is_sent_under_one_key(run_pipeline: Callable[..., Run]) -> None:
    run = run_pipeline("invoice", {"item": "a lamp", "cents": 4900}, lose=["send"])
    assert (run.status, run.attempts) == ("COMPLETED", 2)
    assert run.result == {"sent": "INV-1", "item": "a lamp", "key": "job-1-step-2"}


def test_an_order_is_invoiced(playground_stack: Stack) -> None:
    number = playground_stack.http.post("/orders", json={"item": "a lamp", "cents": 4900}).json()["job_id"]
    job = playground_stack.client.wait(number, timeout=30)
    assert job.status == "COMPLETED", job
    assert job.result == {"sent": f"INV-{number}", "item": "a lamp", "key": f"job-{number}-step-2"}


def test_an_order_that_costs_nothing_is_refused(playground_stack: Stack) -> None:
    assert playground_stack.http.post("/orders", json={"item": "a lamp", "cents": 0}).status_code == 422
