"""A canvas as Celery builds it, and the rows that record it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from background.base import exact
from background.base.errors import FieldError
from background.canvas.checks import call_faults, cannot_run
from background.canvas.expression import Spans, expression
from background.canvas.plan import Plan, plan
from background.canvas.signatures import Written, new_ids, signature_of, written_by_id
from background.canvas.spec import (
    CanvasSpec,
    TaskSpec,
    to_text,
)


@dataclass(frozen=True)
class Built:
    """What Celery builds of a canvas whose tasks were given these ids, and how it is written in Python.

    `written` has what the canvas says by these ids, `spans` where the tasks of the plan stand in `code`.
    """

    ids: list[str]
    plan: Plan
    code: str
    spans: Spans
    written: Mapping[str, Written]

    @classmethod
    def of(
        cls,
        spec: CanvasSpec,
        ids: Sequence[str] | None = None,
        *,
        handing_on: Collection[str] = (),
        mutable: bool = False,
    ) -> "Built":
        """Ask Celery, see `signature_of`. Raises `Invalid` for what is too large, or what Celery cannot build."""
        given = [] if ids is None else list(ids)
        used: list[str] = []

        def next_ids() -> Iterator[str]:
            for each in given or new_ids():
                used.append(each)
                yield each

        found = plan(lambda: signature_of(spec, next_ids(), handing_on, mutable=mutable))
        written = written_by_id(spec, iter(used))
        return cls(used, found, *expression(found, spec, written), written)

    def require_arguments(self) -> None:
        """Raise `Invalid`, which names every fault, unless each task can be called with what it has and is handed.

        Celery says what it hands a task: nothing to the callback of a group, also where that is the body of a chord,
        nor to the members of a group that is the only step of a chain and the body of a chord. A callback that it
        drops is taken as called.
        """
        nodes = {node.origin: node for node in self.plan.nodes.values()}
        called = {path: (spec, nodes.get(id_)) for id_, (path, spec) in self.written.items()}  # of chunks the last
        errors: list[FieldError] = []
        for path, (spec, node) in called.items():
            takes = not (isinstance(spec, TaskSpec) and spec.immutable)
            given = takes if node is None else node.given
            promised = takes and not (node is not None and node.sent)
            errors += call_faults(spec, where=("body", *path), given=given, promised=promised)
        if errors:
            raise cannot_run(errors)

    def run_row(self, spec: CanvasSpec) -> dict[str, Any]:
        """The run of the canvas as `sql.runs` takes it, but for its type."""
        return {
            "task_id": self.plan.task_id,
            "code": self.code,
            "canvas": to_text(spec),
            # Those that `of` takes come first.
            "ids": list(dict.fromkeys([*self.ids, *self.plan.calls, *self.plan.made_up])),
            "tree": self.plan.tree,
            "result_ids": self.plan.result_ids,
            "celery": self.plan.celery,
            "aliases": {id_: calls[0] for id_, calls in self.plan.calls.items()}
            | dict.fromkeys(self.plan.made_up, self.plan.task_id),
        }

    def task_rows(self) -> list[dict[str, Any]]:
        """The tasks of the canvas as `sql.runs` takes them."""
        return [
            {
                "id": node.id,
                "position": position,
                "task": node.task,
                "args": exact.dumps(node.args),
                "kwargs": exact.dumps(node.kwargs),
                "called": node.sent,
                "due_at": node.due_at,
                "queue": node.queue,
            }
            for position, node in enumerate(self.plan.nodes.values())
        ]
