"""What a stream sends of a job or run: the JSON that `GET /jobs/{id}` (without history) or `GET /result/{id}` gives."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from background import outcomes
from background.base.errors import NotFound
from background.jobs import service as jobs
from background.jobs.states import ENDED
from background.storage import database
from background.streams import sql
from background.streams.sql import JOBS, RUNS

MAX_VALUE_BYTES = 16 * 1024
VALUES = frozenset({"args", "canvas", "code", "error", "kwargs", "message", "output", "params", "result", "verdict"})
"""What may be large: it comes from a client, or from a task."""


@dataclass(frozen=True)
class Subject:
    """What a stream follows: a job, or with `task_id` what `GET /result/{task_id}` tells of a job or run.

    `log` is the table its events stand in, and `owner` its number there.
    """

    log: str
    owner: int
    task_id: UUID | None = None


@dataclass(frozen=True)
class State:
    """A job or run at one moment, as JSON; `number` is that of its newest event then."""

    data: bytes
    number: int
    ended: bool
    _messages: dict[tuple[str, str], bytes] = field(default_factory=dict, compare=False, repr=False)

    def message(self, identifier: str, kind: str) -> bytes:
        """The state as the data of an event, in the words of a stream; the same bytes for all who get it."""
        found = self._messages.get((identifier, kind))
        if found is None:
            found = b"id: %b\nevent: %b\ndata: %b\n\n" % (identifier.encode(), kind.encode(), self.data)
            self._messages[identifier, kind] = found
        return found


def job(job_id: int) -> Subject:
    """A job by its number."""
    return Subject(JOBS, job_id)


def outcome(task_id: UUID) -> Subject:
    """A run, a member of a run or a job by its task id. Raises `NotFound` and `Unavailable`."""
    followed = outcomes.follow(task_id)
    return Subject(JOBS if followed.is_job else RUNS, followed.owner, task_id)


def load(subjects: Iterable[Subject]) -> dict[Subject, State]:
    """How each of them stands now; what does not exist (any more) is left out. Raises `Unavailable`."""
    wanted = set(subjects)
    found = {
        job(each.id): State(_sent(each), number, each.status in ENDED)
        for each, number in jobs.get_jobs(
            [subject.owner for subject in wanted if subject.task_id is None], most=MAX_VALUE_BYTES
        )
    }
    for subject in wanted:
        if subject.task_id is not None:
            try:
                followed = outcomes.follow(subject.task_id)
            except NotFound:
                continue
            found[subject] = State(_sent(followed.outcome), followed.number, followed.ended)
    return found


def _sent(model: BaseModel) -> bytes:
    """The JSON of a job or run. Values over `MAX_VALUE_BYTES` are left out and named in `cut`; a GET has them.

    The large ones of a job never left PostgreSQL.
    """
    data = model.model_dump_json().encode()
    if len(data) <= MAX_VALUE_BYTES:
        return data
    state = json.loads(data)
    cut = [*state.get("cut", ()), *(".".join(path) for path in _cut(state, ()))]
    return json.dumps({**state, "cut": cut}, separators=(",", ":")).encode() if cut else data


def _cut(part: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for name, value in items:
        here = (*path, str(name))
        if name in VALUES and len(json.dumps(value, ensure_ascii=False).encode()) > MAX_VALUE_BYTES:
            part[name] = None
            yield here
        elif name not in VALUES:
            yield from _cut(value, here)


def since(subject: Subject, number: int | None) -> tuple[list[tuple[int, str]], State]:
    """What a stream begins with: all events that follow `number`, or else the newest one; and the state to send.

    Raises `NotFound` and `Unavailable`.
    """
    events = [] if number is None else _numbered(subject, number)
    state = load([subject]).get(subject)
    if state is None:
        raise NotFound(f"There is no job {subject.owner}.", what="job", id=subject.owner)
    return (_numbered(subject, state.number - 1)[:1] if number is None else events), state


def _numbered(subject: Subject, number: int) -> list[tuple[int, str]]:
    with database.transaction() as connection:
        return sql.numbered(connection, subject.log, {subject.owner: number}).get(subject.owner) or []
