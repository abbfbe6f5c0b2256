"""What is known of one execution of a task while Celery is at it, and of the messages it is about."""

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from background.base import exact
from background.canvas.placing import Place
from background.canvas.recording import changes
from background.canvas.sql import places


@dataclass
class Trace:
    """What is known of one execution of a task while Celery is at it; `begun` by `time.monotonic`.

    `replaced`: it has put others in its place, which most often end under its id; `comes_at_once`: one was sent under
    that. `failed_of`: why, while it asks to be tried again. `place` finds its task in the record, where its start could
    not be recorded: it may stand there under another id than that of its message.
    """

    task_id: str
    alone: bool
    message_id: str
    begun: float = field(default_factory=time.monotonic)
    settled: bool = False
    dropped: bool = False
    replaced: bool = False
    comes_at_once: bool = False
    failed_of: Any = None
    sent: dict[str, places.Sent] = field(default_factory=dict)
    place: Place | None = None

    def note(self, kind: str, **change: Any) -> None:
        """Have a change of the task written, see `Batch.add`."""
        changes.add(self.task_id, kind, place=self.place, **change)

    @property
    def is_apart(self) -> bool:
        """Whether it may stand in the record under another id than Celery keeps its result: see `trees.call_id`."""
        return self.place is not None or self.task_id != self.message_id

    @property
    def known_id(self) -> str:
        """Its id in the record, as far as that is known."""
        return self.task_id if self.place is None or self.place.found is None else self.place.found


def is_uuid(task_id: str) -> bool:
    """Whether a run may have a task of this id."""
    try:
        UUID(task_id)
    except ValueError:
        return False
    return True


def message_of(
    task_id: str,
    name: str,
    args: Any,
    kwargs: Any,
    *,
    queue: str | None,
    told_parent_id: Any,
    root_id: Any,
    eta: str | None = None,
    parent_id: Any = None,
) -> places.Sent:
    """A message as it is recorded; ids that no run can have are left out.

    The message tells its parent, unless somebody else has sent it.
    """

    def usable(id_: Any) -> str | None:
        return id_ if id_ and is_uuid(str(id_)) else None

    return places.Sent(
        task_id,
        name,
        args=exact.dumps(list(args)),
        kwargs=exact.dumps(dict(kwargs)),
        due_at=datetime.fromisoformat(eta) if eta else None,
        queue=queue,
        parent_id=usable(parent_id or told_parent_id),
        root_id=usable(root_id),
        told_parent_id=usable(told_parent_id),
    )


def sent_by(request: Any) -> places.Sent:
    """The message of a request."""
    names = {"queue": None, "told_parent_id": request.parent_id, "root_id": request.root_id}
    return message_of(str(request.id), request.task, request.args or (), request.kwargs or {}, **names)


def place_of(request: Any) -> Place | None:
    """What finds the task of a request in the record, if a run may have it."""
    return Place(sent_by(request), again=request.retries > 0) if is_uuid(str(request.id)) else None
