"""Celery's signatures from a canvas as JSON, built the way the guide of Celery builds them, or from Python.

Every task is given its id beforehand, so that what the log says of an id can be said of a place in the JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from celery import Signature, chain, chord, group

from tests.acceptance.bare.app import RETRIES_HEADER, app
from tests.acceptance.bare.outcome import label

OPTIONS = ("countdown", "ignore_result", "priority", "expires", "eta")


@dataclass
class Built:
    """A signature, and which place in the JSON each task id belongs to.

    Of one that is written in Python `labels` has the label of each task.
    """

    places: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    def signature(self, canvas: dict[str, Any], place: str = "") -> Signature[Any]:
        """What Celery is given for the part of the canvas at `place`. `{"code": …}` is one in Python."""
        if "code" in canvas:
            names: dict[str, Any] = {"chain": chain, "group": group, "chord": chord}
            names |= {name: Named(self, name) for name in app.tasks if "." not in name}
            return eval(canvas["code"], names)  # type: ignore[no-any-return]  # noqa: S307  (what the playground wrote)
        found = self._plain(canvas, place)
        for name, link in (("link", found.link), ("link_error", found.link_error)):
            for number, callback in enumerate(as_list(canvas.get(name))):
                link(self.signature(callback, f"{place}.{name}[{number}]"))
        return found

    def _plain(self, canvas: dict[str, Any], place: str) -> Signature[Any]:
        match canvas:
            case {"chain": parts}:
                return chain(*self._all(parts, f"{place}.chain"))
            case {"group": members}:
                return group(list(self._all(members, f"{place}.group")))
            case {"chord": {"header": header, "body": body}}:
                members = list(self._all(header, f"{place}.header"))
                return chord(members, self.signature(body, f"{place}.body"))
            case {"chunks": {"task": name, "it": it, "n": n}}:
                chunks = app.tasks[name].chunks(it, n).group()
                return group([self._with_id(part, f"{place}.chunks[{i}]") for i, part in enumerate(chunks.tasks)])
        return self._with_id(self._task(canvas), place)

    def _all(self, parts: list[dict[str, Any]], place: str) -> Iterator[Signature[Any]]:
        for number, part in enumerate(parts):
            yield self.signature(part, f"{place}[{number}]")

    def _task(self, canvas: dict[str, Any]) -> Signature[Any]:
        for kind in ("map", "starmap"):
            if kind in canvas:
                return getattr(app.tasks[canvas[kind]["task"]], kind)(canvas[kind]["it"])  # type: ignore[no-any-return]
        found = app.tasks[canvas["task"]].signature(
            args=tuple(canvas.get("args", ())),
            kwargs=dict(canvas.get("kwargs", {})),
            immutable=canvas.get("immutable", False),
        )
        found.set(**{name: canvas[name] for name in OPTIONS if name in canvas})
        if canvas.get("retries"):
            found.set(headers={RETRIES_HEADER: canvas["retries"]})
        return found

    def _with_id(self, signature: Signature[Any], place: str) -> Signature[Any]:
        task_id = str(uuid4())
        self.places[task_id] = place
        return signature.set(task_id=task_id)


@dataclass
class Named:
    """A task by its name, as an expression in Python calls it."""

    built: Built
    name: str

    def s(self, *args: Any, **kwargs: Any) -> Signature[Any]:
        """A signature that is given what comes before it."""
        return self._labelled(app.tasks[self.name].s(*args, **kwargs), label(self.name, args, kwargs))

    def si(self, *args: Any, **kwargs: Any) -> Signature[Any]:
        """One that is not."""
        return self._labelled(app.tasks[self.name].si(*args, **kwargs), label(self.name, args, kwargs))

    def map(self, it: list[Any]) -> Signature[Any]:
        """The task for each item."""
        return self._labelled(app.tasks[self.name].map(it), label("celery.map", [self.name, it], {}))

    def starmap(self, it: list[Any]) -> Signature[Any]:
        """The task for each list of arguments."""
        return self._labelled(app.tasks[self.name].starmap(it), label("celery.starmap", [self.name, it], {}))

    def _labelled(self, signature: Signature[Any], text: str) -> Signature[Any]:
        task_id = str(uuid4())
        self.built.places[task_id] = ""
        self.built.labels[task_id] = text
        return signature.set(task_id=task_id)


def as_list(callbacks: Any) -> list[dict[str, Any]]:
    """None, one or several callbacks as a list."""
    return callbacks if isinstance(callbacks, list) else [] if callbacks is None else [callbacks]
