"""A canvas as Celery builds it, and the rows that record it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from background.base import exact
from background.canvas.checks import arguments_fault, cannot_run
from background.canvas.expression import Spans, expression
from background.canvas.plan import Plan, plan
from background.canvas.signatures import Written, new_ids, signature_of, written_by_id
from background.canvas.spec import (
    CanvasSpec,
    to_text,
)
from background.task_names import CATALOGUE, TaskName, short_name


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
    def of(cls, spec: CanvasSpec, ids: Sequence[str] | None = None, *, handing_on: Collection[str] = ()) -> "Built":
        """Ask Celery. Raises `Invalid` for a canvas that is too large, or that Celery cannot build."""
        given = [] if ids is None else list(ids)
        used: list[str] = []

        def next_ids() -> Iterator[str]:
            for each in given or new_ids():
                used.append(each)
                yield each

        found = plan(lambda: signature_of(spec, next_ids(), handing_on))
        written = written_by_id(spec, iter(used))
        return cls(used, found, *expression(found, written), written)

    def require_arguments(self) -> None:
        """Raise `Invalid` where Celery gives a task less than what stands before it promises.

        Nothing is handed to the callback of a group, also where that is the body of a chord, nor to the members of a
        group that is the only step of a chain and the body of a chord. Such a task can never be called.
        """
        errors = []
        for node in self.plan.nodes.values():
            names = list(CATALOGUE[TaskName(node.task)].model_fields) if node.task in CATALOGUE else None
            number = len(node.args) + len(node.kwargs) + node.given
            if names is not None and number != len(names):
                where = ("body", *self.written[node.origin][0])
                fault = arguments_fault(
                    short_name(node.task), names, number, before=False, why=": Celery hands it nothing", where=where
                )
                errors.append(fault)
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
