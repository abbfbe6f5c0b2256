"""Pipelines of queues and with limits."""

import time

from background.jobs.pipeline import Limit, Params, Pipeline, Rate, StepContext


class Work(Params):
    """How long the one step works, and for whom."""

    seconds: float = 0.0
    customer: int = 0


def work(context: StepContext, params: Work) -> None:
    """Work so long."""
    time.sleep(params.seconds)


plain = Pipeline("plain", params=Work)
report = Pipeline("report", params=Work, queue="reports")
limited = Pipeline("limited", params=Work, limits=[Limit(concurrency=3)])
by_customer = Pipeline("by_customer", params=Work, limits=[Limit(concurrency=4), Limit(concurrency=1, key="customer")])
rated = Pipeline("rated", params=Work, limits=[Rate(count=5, seconds=3, key="customer")])
nested = Pipeline("shop/nested", params=Work)
keys = Pipeline("keys", params=Work, limits=[Limit(concurrency=8), Limit(concurrency=1, key="customer")])
for each in (plain, report, limited, by_customer, rated, nested, keys):
    each.step(work)
