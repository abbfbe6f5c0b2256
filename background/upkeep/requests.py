"""What Celery has this worker do, as threads beside its main one may ask."""

from collections.abc import Set
from contextlib import suppress
from typing import Any

from celery.worker import state


def active() -> list[Any]:
    """The requests that are being carried out."""
    return _members(state.active_requests)


def taken() -> list[Any]:
    """Those, and what has been taken from the broker and waits for a slot."""
    return [*_members(state.reserved_requests), *active()]


def _members(requests: Set[Any]) -> list[Any]:
    while True:
        with suppress(RuntimeError):  # one came or went meanwhile
            return list(requests)
