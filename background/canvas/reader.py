"""Reads what Celery would publish: trees of tasks, and what is known of each (see `plan`)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any

from celery.canvas import Signature, _chain, group
from celery.result import GroupResult

from background.base.queue_names import QUEUE
from background.canvas import trees
from background.canvas.checks import too_large
from background.canvas.dry import BackendCall, Send, ask, copy_of, data_of
from background.canvas.spec import MAX_TASKS
from background.canvas.trees import Tree
from background.task_names import short_name

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


class Reader:
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
