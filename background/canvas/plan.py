"""What Celery builds from a canvas: asked of Celery itself, in memory, before anything is sent.

A signature is applied to an application that keeps what it would publish (`dry`), so Celery unrolls, upgrades and
freezes as it always does; what stands in the messages (`embed`: chain, chord, callbacks, errbacks) is
applied to it in turn, as a worker does after a success (celery/app/trace.py). So every task that will or may run is
known, under the id it will have. The very messages are what is published then.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

import celery
from celery.canvas import Signature
from celery.result import GroupResult

from background.base.errors import Invalid
from background.base.jsontext import deeper_than
from background.canvas import trees
from background.canvas.checks import MAX_LEVELS, too_large
from background.canvas.dry import BackendCall, Send, ask, copy_of, dry_app, weight
from background.canvas.reader import PlannedTask, Reader
from background.canvas.trees import Tree
from background.celery import celery_app

MAX_EDGES = 10_000


@dataclass(frozen=True)
class Plan:
    """What Celery builds.

    `result_ids` is the id of the task whose result the canvas has, or a list of such for a group; `nodes` has all tasks
    in the order of the tree; `steps` is what to do so that it runs. `calls` has the tasks that Celery calls several
    times under one id: each call is a task of its own here, with the id that stands there.
    `made_up` has the other ids that tasks may be told: of groups, and of chains that are the body of a chord.
    `chain_errbacks` has the origins of the error callbacks of such chains, by their first tasks: Celery hangs them on
    each step, and calls them when the header fails, which it does not with those of a step.
    `written` is the tree as one writes it: what follows a chord stands behind it, and not behind its body.
    """

    task_id: str
    result_ids: Any
    tree: Tree
    nodes: dict[str, PlannedTask]
    steps: Sequence[Send | BackendCall]
    calls: Mapping[str, Sequence[str]]
    made_up: Collection[str]
    chain_errbacks: Mapping[str, Sequence[str]]
    written: Tree
    celery: str = celery.__version__

    @property
    def bytes(self) -> int:
        """About how much is published at once."""
        return weight([send.message.body for send in self.steps if isinstance(send, Send)], {})


def plan(write: Callable[[], Signature]) -> Plan:
    """What Celery makes of the signature that `write` gives, of tasks of `dry_app`. Raises `Invalid`."""
    # Where a canvas says nothing of its application Celery takes the thread's.
    dry_app.set_current()
    try:
        signature = write()
        result, steps = ask(signature)
        callbacks = _Callbacks()
        callbacks.tell_apart(steps)
        reader = Reader(callbacks.origins)
        written = reader.tree(signature, result, steps)
        tree = trees.with_bodies_extended(written)
        calls = reader.tell_calls_apart()
    except (TypeError, AttributeError, RuntimeError) as error:
        message = f"Celery cannot build this: {type(error).__name__}: {error}."
        raise Invalid(message, where=("body",), code="canvas_refused", error=str(error)) from error
    finally:
        celery_app.set_current()
    if deeper_than(MAX_LEVELS, tree):
        raise too_large("canvas_levels", MAX_LEVELS)
    if trees.number_of_edges(tree) > MAX_EDGES:
        raise too_large("canvas_edges", MAX_EDGES)
    ids = trees.ids(tree)
    if len(set(ids)) < len(ids):
        message = (
            "Celery would call the same tasks several times under the same ids: what they return would be mixed up."
        )
        raise Invalid(message, where=("body",), code="canvas_repeats")
    nodes = {id_: reader.nodes[id_] for id_ in ids}
    _refuse_what_blocks(tree, nodes)
    result_ids = _result_ids(result, {id_: iter(found) for id_, found in calls.items()})
    made_up = reader.made_up - nodes.keys() - calls.keys() - {str(result.id)}
    task_id = str(result.id)
    return Plan(task_id, result_ids, tree, nodes, steps, calls, sorted(made_up), reader.chain_errbacks, written)


def _refuse_what_blocks(tree: Tree, nodes: Mapping[str, PlannedTask]) -> None:
    """Raise `Invalid` for what may make a process of a worker wait for ever (seen on Celery 5.6.3).

    Whoever ends the header of a chord waits within it for results of a group at the end of a member: ignored ones never
    come, and those of a group that is the body of another chord may still need the process that waits for them.
    """
    for chord in (each["chord"] for each in trees.inside(tree) if "chord" in each):
        for member in filter(trees.ends_in_group, chord["header"] if len(chord["header"]) > 1 else ()):
            last = member["chain"][-1] if "chain" in member else member
            if "chord" in last or any(nodes[id_].ignored for id_ in trees.last_ids(last)):
                message = "A worker may wait for ever: a header member ends in a group that "
                message += "is a chord's body." if "chord" in last else "ignores its results."
                raise Invalid(message, where=("body",), code="canvas_blocks")


class _Callbacks:
    """Gives each call its own id where Celery hangs one callback on several tasks (group, chain or chord `link_error`).

    Bare Celery makes an id when it calls; here they are known before. All copies of a task have the same callbacks.
    `origins` has the id that each new one had.
    """

    def __init__(self) -> None:
        self.origins: dict[str, str] = {}
        self._owners: dict[str, str] = {}
        self._seen: set[int] = set()

    def tell_apart(self, steps: Sequence[Send | BackendCall]) -> None:
        """Give each call of a task an id of its own, in all messages and in what they carry."""
        for step in steps:
            if isinstance(step, Send):
                embed = step.message.body[2]
                for name in ("callbacks", "errbacks"):
                    if embed[name]:
                        embed[name] = self._own(embed[name], str(step.message.headers["id"]))
                self._visit(embed["chain"])
                self._visit(embed["chord"])

    def _visit(self, value: Any) -> None:
        if value is None or id(value) in self._seen:
            return
        self._seen.add(id(value))
        if isinstance(value, list):
            for each in value:
                self._visit(each)
        elif isinstance(value, dict):
            options = value.get("options", {})
            for name in ("link", "link_error"):
                if options.get(name):
                    options[name] = self._own(options[name], str(options.get("task_id")))
            self._visit(options.get("chord"))
            if value.get("subtask_type") in ("chain", "group", "chord"):
                for name in ("tasks", "header", "body"):
                    self._visit(value["kwargs"].get(name))

    def _own(self, callbacks: Any, owner: str) -> list[Any]:
        return [self._one(each, owner) for each in (callbacks if isinstance(callbacks, list) else [callbacks])]

    def _one(self, written: Any, owner: str) -> Any:
        callback = copy_of(written)
        known = str(callback.options["task_id"])
        if self._owners.setdefault(known, owner) != owner:
            callback.options["task_id"] = str(uuid5(UUID(known), owner))
            self.origins[callback.options["task_id"]] = known
        self._visit(callback)
        return callback


def _result_ids(result: Any, calls: Mapping[str, Iterator[str]]) -> Any:
    if isinstance(result, GroupResult):
        return [_result_ids(each, calls) for each in result.results or ()]
    return next(calls.get(str(result.id), iter(())), str(result.id))
