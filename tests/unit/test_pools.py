"""Pools under which a worker does not start."""

from typing import Any

import pytest

from background.celery import require_pool


class Worker:
    """What Celery tells of a worker that is about to start."""

    def __init__(self, module: str) -> None:
        self.pool_cls: Any = type("TaskPool", (), {"__module__": module})


@pytest.mark.parametrize("pool", ["gevent", "eventlet"])
def test_a_pool_of_greenlets_is_refused_in_one_line(pool: str) -> None:
    with pytest.raises(SystemExit, match=f"^--pool={pool}: does not work here; prefork, threads and solo do$"):
        require_pool(Worker(f"celery.concurrency.{pool}"))


@pytest.mark.parametrize("pool", ["prefork", "thread", "solo"])
def test_the_others_are_not(pool: str) -> None:
    require_pool(Worker(f"celery.concurrency.{pool}"))
