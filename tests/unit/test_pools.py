"""Pools under which a worker does not start."""

from typing import Any

import pytest
from celery.signals import worker_init

from background.celery import celery_app


class Worker:
    """What Celery tells of a worker that is about to start."""

    def __init__(self, module: str) -> None:
        self.pool_cls: Any = type("TaskPool", (), {"__module__": module})


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """As they were, whatever a worker would have of them."""
    monkeypatch.setitem(celery_app.conf, "worker_disable_prefetch", False)


@pytest.mark.parametrize("pool", ["gevent", "eventlet"])
def test_a_pool_of_greenlets_is_refused_in_one_line(pool: str) -> None:
    with pytest.raises(SystemExit, match=f"^--pool={pool}: does not work here; prefork, threads and solo do$"):
        worker_init.send(Worker(f"celery.concurrency.{pool}"))


@pytest.mark.parametrize("pool", ["prefork", "thread", "solo"])
def test_the_others_are_not(pool: str) -> None:
    worker_init.send(Worker(f"celery.concurrency.{pool}"))
