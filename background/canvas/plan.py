"""What Celery builds from a canvas: asked of Celery itself, in memory, before anything is sent.

A signature is applied to an application that keeps what it would publish (`dry`), so Celery unrolls,
upgrades and freezes as it always does; what stands in the messages (`embed`: chain, chord, callbacks, errbacks) is
applied to it in turn, as a worker does after a success (celery/app/trace.py). So every task that will or may run is
known, under the id it will have. The very messages are what is published then.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID, uuid5

import celery
from celery.canvas import Signature, _chain, group
from celery.result import GroupResult

from background.base.errors import Invalid
from background.base.jsontext import deeper_than
from background.base.queue_names import QUEUE
from background.canvas import trees
from background.canvas.checks import MAX_LEVELS, too_large
from background.canvas.dry import BackendCall, Send, ask, copy_of, data_of, dry_app, weight
from background.canvas.spec import MAX_TASKS
from background.canvas.trees import Tree
from background.celery import celery_app
from background.task_names import short_name

MAX_EDGES = 10_000
MAPS = {"celery.map": "map", "celery.starmap": "starmap"}


class Given(Enum):
    """Stands for the result of what comes before, which is not known yet."""

    RESULT = "result"


@dataclass(frozen=True)
class PlannedTask:
    """A task that will or may run, with what arguments of its own.

    `sent`: at once; `given`: with the result of what comes before it; `ignored`: Celery stores no result; `origin`: the
    id under which it was written.
    """

    id: str
    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    sent: bool
    given: bool
    ignored: bool
    due_at: datetime | None
    queue: str | None
    origin: str


@dataclass(frozen=True)
class Plan:
    """What Celery builds.

    `result_ids` is the id of the task whose result the canvas has, or a list of such for a group; `nodes` has all tasks
    in the order of the tree; `steps` is what to do so that it runs. `calls` has the tasks that
    Celery calls several times under one id: each call is a task of its own here, with the id that stands there.
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
        reader = _Reader(callbacks.origins)
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


@dataclass
class _Unit:
    """A tree, and what its end counts for: a group, in which it has an index, and the chord that waits for it."""

    tree: Tree
    group: str | None
    index: int | None
    chord: Any


def _in_lists(units: list[_Unit], results: Sequence[Any]) -> list[_Unit]:
    """The units with those whose results stand in a list of their own as a chain of that group.

    So Celery has it where the only step of a member is a group: it is sent with the others, and is none of them.
    """
    if not any(isinstance(each, GroupResult) for each in results):
        return units
    places = {id_: place for place, unit in enumerate(units) for id_ in trees.last_ids(unit.tree)}
    found, taken = list[_Unit](), set[int]()
    for each in results:
        mine = dict.fromkeys(places[id_] for id_ in _result_ids_in(each) if id_ in places)
        members = [units[place] for place in mine]
        if isinstance(each, GroupResult) and members and not _is_list(members):
            tree = {"chain": [{"group": [unit.tree for unit in _in_lists(members, each.results or ())]}]}
            members = [replace(members[0], tree=tree)]
        found += members
        taken |= mine.keys()
    return found if len(taken) == len(units) else units


def _is_list(units: list[_Unit]) -> bool:
    return len(units) == 1 and trees.ends_in_group(units[0].tree)


def _result_ids_in(result: Any) -> Iterator[str]:
    """The ids of the tasks whose results these are."""
    if isinstance(result, GroupResult):
        for each in result.results or ():
            yield from _result_ids_in(each)
    else:
        yield str(result.id)


class _Reader:
    """Reads trees from what Celery does, and notes every task it meets."""

    def __init__(self, origins: dict[str, str]) -> None:
        self.nodes: dict[str, PlannedTask] = {}
        self.made_up: set[str] = set()
        self.chain_errbacks: dict[str, list[str]] = {}
        self._origins = origins
        self._calls: dict[str, list[tuple[Tree, PlannedTask, str]]] = {}
        self._number = 0

    def tree(self, signature: Signature, result: Any, steps: Sequence[Send | BackendCall]) -> Tree:
        """The tree of what was sent by applying the signature."""
        found = self._unit(steps, result, is_group=isinstance(result, GroupResult), sent=True).tree
        if isinstance(signature, _chain) and "task" in found and self.nodes[found["task"]].task in MAPS:
            return {"chain": [found]}  # applied by itself, a map forgets its callbacks
        return found

    def tell_calls_apart(self) -> dict[str, list[str]]:
        """Give each call of a task that is called more than once an id of its own; gives these by the task's id."""
        found: dict[str, list[str]] = {}
        for id_, calls in self._calls.items():
            if len(calls) > 1:
                del self.nodes[id_]
                for task, node, parent in calls:
                    task["task"] = trees.call_id(id_, parent)
                    self.nodes[task["task"]] = replace(node, id=task["task"])
                    found.setdefault(id_, []).append(task["task"])
        return found

    def _unit(self, steps: Sequence[Send | BackendCall], result: Any, *, is_group: bool, sent: bool = False) -> _Unit:
        units = [self._chain(step, sent=sent) for step in steps if isinstance(step, Send)]
        opened = [step.args[0] for step in steps if isinstance(step, BackendCall) and step.method == "apply_chord"]
        for header, results in reversed(opened):  # inner ones are opened after those around them
            units = self._joined(units, header, results)
        if is_group and isinstance(result, GroupResult):
            units = _in_lists(units, result.results or ())
        if len(units) == 1 and (not is_group or trees.ends_in_group(units[0].tree)):
            return units[0]
        last = units[-1]
        return _Unit({"group": [unit.tree for unit in units]}, last.group, last.index, last.chord)

    def _joined(self, units: list[_Unit], header: str, results: Sequence[Any]) -> list[_Unit]:
        """The units with those that are the header of one chord as that chord."""
        members = [unit for unit in units if unit.group == header]
        if not members:
            return units
        body = copy_of(members[0].chord)
        self.made_up |= {header, str(body.id)}
        after = self._applied(body, [[Given.RESULT]])
        members.sort(key=lambda unit: len(members) if unit.index is None else unit.index)
        after.tree = self._chord(_in_lists(members, results), body, after.tree)
        place = next(place for place, unit in enumerate(units) if unit.group == header)
        rest = [unit for unit in units if unit.group != header]
        return [*rest[:place], after, *rest[place:]]

    def _chord(self, members: list[_Unit], body: Signature, follows: Tree) -> Tree:
        """A chord, and what follows it; `follows` is what comes of applying its body, with all that."""
        steps = follows.get("chain", [follows])
        own = max(len(steps) - len(body.options.get("chain") or ()), 1)
        is_chain = isinstance(body, _chain)
        inner = {"chain": steps[:own]} if is_chain or own > 1 else steps[0]
        if is_chain and (errbacks := body.options.get("link_error")):
            origins = (str(each["options"]["task_id"]) for each in errbacks)
            self.chain_errbacks[trees.first_ids(inner)[0]] = [self._origins.get(id_, id_) for id_ in origins]
        chord = {"chord": {"header": [unit.tree for unit in members], "body": inner}}
        return {"chain": [chord, *steps[own:]]} if steps[own:] else chord

    def _chain(self, send: Send, *, sent: bool) -> _Unit:
        """A task with all that follows it; what a plain one is given to hand on it hands on, step after step."""
        embed = send.message.body[2]
        rest = data_of(embed["chain"], {}) if embed["chain"] else []
        steps = [self._task(send, sent=sent)]
        while rest:
            following = rest.pop()
            options = {"parent_id": send.message.headers["id"], "root_id": send.message.headers["root_id"]}
            if following.get("subtask_type"):
                after = self._applied(copy_of(following), [Given.RESULT], chain=rest, **options)
                steps += after.tree.get("chain", [after.tree])
                after.tree = {"chain": steps}
                return after
            _, sends = ask(copy_of(following), Given.RESULT, **options)
            send = next(step for step in sends if isinstance(step, Send))
            steps.append(self._task(send, sent=False))
        headers, embed = send.message.headers, send.message.body[2]
        tree = {"chain": steps} if len(steps) > 1 else steps[0]
        return _Unit(tree, headers["group"], headers["group_index"], embed["chord"])

    def _task(self, send: Send, *, sent: bool) -> Tree:
        """A task with what it calls."""
        headers = send.message.headers
        task: Tree = {"task": str(headers["id"])}
        args, kwargs, embed = send.message.body
        self._note(send, task, args, kwargs, sent=sent)
        for name, kind in (("callbacks", "link"), ("errbacks", "link_error")):
            for each in embed[name] or ():
                called = self._applied(copy_of(each), [Given.RESULT], parent_id=headers["id"])
                task.setdefault(kind, []).append(called.tree)
        return task

    def _applied(self, signature: Any, args: list[Any], **options: Any) -> _Unit:
        result, steps = ask(signature, *args, **options)
        return self._unit(steps, result, is_group=isinstance(signature, group))

    def _note(self, send: Send, task: Tree, args: Sequence[Any], kwargs: dict[str, Any], *, sent: bool) -> None:
        headers = send.message.headers
        self.made_up |= {headers["group"]} - {None}
        due_at = datetime.fromisoformat(headers["eta"]) if sent and headers["eta"] else None
        own = [each for each in args if each not in (Given.RESULT, [Given.RESULT])]
        given = len(own) < len(args)
        if send.name in MAPS:
            own, kwargs = [short_name(kwargs["task"]["task"]), kwargs["it"]], {}
        id_ = str(headers["id"])
        queue = getattr(send.options.get("queue"), "name", None)
        node = self.nodes[id_] = PlannedTask(
            id=id_,
            task=send.name,
            args=own,
            kwargs=dict(kwargs),
            sent=sent,
            given=given,
            ignored=bool(headers.get("ignore_result")),
            due_at=due_at,
            queue=None if queue == QUEUE else queue,
            origin=self._origins.get(id_, id_),
        )
        self._calls.setdefault(id_, []).append((task, node, str(headers["parent_id"])))
        self._number += 1
        if self._number > MAX_TASKS:  # at once: what Celery repeats may double with each part of a canvas
            raise too_large("canvas_tasks", MAX_TASKS)
