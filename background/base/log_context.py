"""What this process is working on just now: the ids that every log line carries, and who asked for it.

A request has a context of its own, which reaches the threads that work for it; a job's step and a task have that of the
thread they run in. A thread that they start begins with none.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_context: ContextVar[Mapping[str, int | str]] = ContextVar("log_context", default=MappingProxyType({}))


def current() -> Mapping[str, int | str]:
    """Ids that are known here: `request_id`, `actor`, `job_id`, `attempt`, `step`, `task_id`."""
    return _context.get()


def actor() -> str | None:
    """The name of the API key that the present request came with; `None` without one."""
    found = current().get("actor")
    return None if found is None else str(found)


def request_id() -> str | None:
    """The id of the request that is being worked for; `None` where there is none."""
    found = current().get("request_id")
    return None if found is None else str(found)


def bind(**fields: int | str) -> None:
    """Add to what is known, until the surrounding `bound`, or the request, ends."""
    _context.set({**current(), **fields})


@contextmanager
def bound(**fields: int | str) -> Iterator[None]:
    """A block within which these ids are known, too, and what `bind` adds in it."""
    token = _context.set({**current(), **fields})
    try:
        yield
    finally:
        _context.reset(token)
