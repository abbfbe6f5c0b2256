"""From a canvas as JSON to the Celery signature that a user of Celery would write for it."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from celery import chain, chord, group
from celery.canvas import Signature, chunks, xmap, xstarmap

from background.canvas.dry import dry_app
from background.canvas.spec import (
    SHORT_NAMES,
    Called,
    CanvasSpec,
    ChainSpec,
    ChordSpec,
    ChunksSpec,
    GroupSpec,
    MapSpec,
    Path,
    StarmapSpec,
    TaskSpec,
    items_of,
    placed_parts,
)
from background.intake.messages import RETRIES_HEADER

MESSAGE_OPTIONS = ("countdown", "eta", "expires", "queue", "priority", "time_limit")


def new_ids() -> Iterator[str]:
    """Fresh ids without end."""
    while True:
        yield str(uuid4())


def signature_of(
    spec: CanvasSpec, ids: Iterator[str], handing_on: Collection[str] = (), *, mutable: bool = False
) -> Signature:
    """The signature; its tasks get `ids` in the order of definition, callbacks after their task.

    Those that are only `handing_on` what they gave before wait for no time, and do not expire. `mutable`: none of them
    is immutable, whatever is written.

    Celery keeps ids that are set beforehand. Nothing is said of the application, as users say nothing of it: `chain`
    would build another canvas then. Raises `KeyError` for a task that does not exist any more.
    """

    return _Writer(ids, handing_on, mutable).of(spec)


@dataclass(frozen=True)
class _Writer:
    ids: Iterator[str]
    handing_on: Collection[str]
    mutable: bool

    def of(self, spec: CanvasSpec) -> Signature:
        match spec:
            case TaskSpec():
                return self._linked(self._task(spec), spec)
            case ChainSpec():
                return self._linked(chain(*map(self.of, spec.chain)), spec)
            case GroupSpec():
                return self._linked(group(list(map(self.of, spec.group))), spec)
            case ChordSpec():
                return self._linked(chord(list(map(self.of, spec.chord.header)), self.of(spec.chord.body)), spec)
            case _:
                return self._mapped(spec)

    def _linked(self, found: Signature, spec: TaskSpec | ChainSpec | GroupSpec | ChordSpec) -> Signature:
        for callback in spec.link:
            found.link(self.of(callback))
        for callback in spec.link_error:
            found.link_error(self.of(callback))
        return found

    def _task(self, spec: TaskSpec) -> Signature:
        options = {"task_id": next(self.ids), **options_of(spec)}
        if options["task_id"] in self.handing_on:
            options = {name: value for name, value in options.items() if name not in ("countdown", "eta", "expires")}
        return dry_app.signature(
            SHORT_NAMES[spec.task].value,
            args=tuple(spec.args),
            kwargs=dict(spec.kwargs),
            immutable=spec.immutable and not self.mutable,
            **options,
        )

    def _mapped(self, spec: MapSpec | StarmapSpec | ChunksSpec) -> Signature:
        items = items_of(spec)
        task: Any = dry_app.signature(SHORT_NAMES[items.task].value)
        if isinstance(spec, ChunksSpec):
            parts = chunks(task, items.it, spec.chunks.n, app=dry_app).group()
            for each in parts.tasks:
                each.set(task_id=next(self.ids), immutable=not self.mutable)
            return parts
        kind = xmap if isinstance(spec, MapSpec) else xstarmap
        options: dict[str, Any] = {"task_id": next(self.ids)}
        # A clone keeps the id that is set; the thing itself would drop it when it is sent.
        return kind(task, items.it, app=dry_app, **options).clone().set(immutable=not self.mutable)


def options_of(spec: TaskSpec) -> dict[str, Any]:
    """What is set beside its arguments."""
    found = {name: value for name in MESSAGE_OPTIONS if (value := getattr(spec, name)) is not None}
    if spec.retries:
        found["headers"] = {RETRIES_HEADER: spec.retries}
    if spec.ignore_result:
        found["ignore_result"] = True
    return found


Written = tuple[Path, Called]
"""Where a task is written in a canvas, and as what."""


def written_by_id(spec: CanvasSpec, ids: Iterator[str], path: Path = ()) -> dict[str, Written]:
    """What is written in it, by the ids that `signature_of` gives its tasks."""
    found: dict[str, Written] = {}
    match spec:
        case TaskSpec() | MapSpec() | StarmapSpec():
            found[next(ids)] = path, spec
        case ChunksSpec():
            for _ in range(0, len(spec.chunks.it), spec.chunks.n):
                found[next(ids)] = path, spec
    for below, part in placed_parts(spec):
        found |= written_by_id(part, ids, (*path, *below))
    return found
