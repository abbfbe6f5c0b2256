"""Which requests a worker has is asked by threads beside the one that adds to them."""

import pytest
from celery.worker import state

from background.upkeep import requests


class Busy:
    """A set of Celery's to which its main thread adds while another looks at it for the first time."""

    def __init__(self) -> None:
        self.looks = 0

    def __iter__(self) -> "Busy":
        self.looks += 1
        self.left = [1, 2, 3]
        return self

    def __next__(self) -> int:
        if self.looks == 1 and len(self.left) == 2:
            raise RuntimeError("Set changed size during iteration")
        if not self.left:
            raise StopIteration
        return self.left.pop()


def test_one_that_comes_meanwhile_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "active_requests", Busy())
    assert requests.active() == [3, 2, 1]
