"""A canvas as a tree of task ids, and what can be read from it. Pure functions, no database and no Celery.

A tree is `{"task": id}`, perhaps with lists of trees that the task calls under `link`, `link_error` and `spawned`;
`{"chain": [tree, …]}`, `{"group": [tree, …]}` or `{"chord": {"header": [tree, …], "body": tree}}`.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise, product
from typing import Any
from uuid import UUID, uuid5

from background.canvas.states import TaskState

Tree = dict[str, Any]
Edge = tuple[str, str]
CALLS = ("link", "link_error", "spawned")
"""What a task may call besides what comes after it."""
DEAD = frozenset({TaskState.FAILURE, TaskState.REVOKED, TaskState.SKIPPED})


def call_id(task_id: str, parent_id: str) -> str:
    """The id of one call of a task that Celery calls more than once under the same id, each time from another task."""
    return str(uuid5(UUID(task_id), parent_id))


def parts(tree: Tree) -> list[Tree]:
    """What a tree is directly made of, in the order of definition, but for what its task calls."""
    if "chord" in tree:
        return [*tree["chord"]["header"], tree["chord"]["body"]]
    found: list[Tree] = tree.get("chain") or tree.get("group") or []
    return found


def called(tree: Tree) -> list[Tree]:
    """What its task calls."""
    return [each for name in CALLS for each in tree.get(name, ())]


def with_bodies_extended(tree: Tree) -> Tree:
    """The tree with what follows a chord in the chain of its body: it waits for that. Tasks are not copied."""
    if "chord" in tree:
        chord = tree["chord"]
        header = [with_bodies_extended(each) for each in chord["header"]]
        return {"chord": {"header": header, "body": with_bodies_extended(chord["body"])}}
    if "group" in tree:
        return {"group": [with_bodies_extended(each) for each in tree["group"]]}
    steps = tree.get("chain", ())
    for number, step in enumerate(steps[:-1]):
        if "chord" in step:
            body = step["chord"]["body"]
            chain = {"chain": [*body.get("chain", [body]), *steps[number + 1 :]]}
            chord = with_bodies_extended({"chord": {"header": step["chord"]["header"], "body": chain}})
            return {"chain": [*map(with_bodies_extended, steps[:number]), chord]} if number else chord
    return {"chain": [with_bodies_extended(each) for each in steps]} if steps else tree


def inside(tree: Tree) -> Iterator[Tree]:
    """The tree and all trees within, depth first in the order of definition, header before body."""
    yield tree
    for each in (*parts(tree), *called(tree)):
        yield from inside(each)


def ids(tree: Tree) -> list[str]:
    """All tasks in it, depth first in the order of definition."""
    return [each["task"] for each in inside(tree) if "task" in each]


def first_ids(tree: Tree) -> list[str]:
    """The tasks that begin it."""
    if "task" in tree:
        return [tree["task"]]
    begin = tree["chord"]["header"] if "chord" in tree else tree["group"] if "group" in tree else tree["chain"][:1]
    return [id_ for each in begin for id_ in first_ids(each)]


def last_ids(tree: Tree) -> list[str]:
    """The tasks whose results are its own."""
    if "task" in tree:
        return [tree["task"]]
    end = [tree["chord"]["body"]] if "chord" in tree else tree["group"] if "group" in tree else tree["chain"][-1:]
    return [id_ for each in end for id_ in last_ids(each)]


def ends_in_group(tree: Tree) -> bool:
    """Whether its result is a list, one for each member of a group."""
    if "chord" in tree:
        return ends_in_group(tree["chord"]["body"])
    return "group" in tree or ("chain" in tree and ends_in_group(tree["chain"][-1]))


def edges(tree: Tree) -> Iterator[Edge]:
    """Pairs of ids: the second waits for the first, or is called by it."""
    for each in inside(tree):
        for before, after in pairwise(each.get("chain", ())):
            yield from product(last_ids(before), first_ids(after))
        if "chord" in each:
            for member in each["chord"]["header"]:
                yield from product(last_ids(member), first_ids(each["chord"]["body"]))
        for callback in called(each):
            yield from product([each["task"]], first_ids(callback))


def passed(tree: Tree, called: Collection[str]) -> set[str]:
    """The tasks that have sent others, and after which something else was called."""
    sent = {
        each["task"]: {id_ for spawned in each["spawned"] for id_ in ids(spawned)}
        for each in inside(tree)
        if "spawned" in each
    }
    if not sent:
        return set()
    return {before for before, after in edges(tree) if after in called and after not in sent.get(before, {after})}


def number_of_edges(tree: Tree) -> int:
    """How many `edges` gives, without making them."""
    joins = [pair for each in inside(tree) for pair in pairwise(each.get("chain", ()))]
    for each in inside(tree):
        if "chord" in each:
            joins += [(member, each["chord"]["body"]) for member in each["chord"]["header"]]
    return sum(len(last_ids(before)) * len(first_ids(after)) for before, after in joins)


def chords_around(tree: Tree, task_id: str) -> list[Tree]:
    """The chords in whose header the task is, innermost first."""
    found = [
        each
        for each in inside(tree)
        if "chord" in each and any(task_id in ids(member) for member in each["chord"]["header"])
    ]
    return found[::-1]


def errbacks(tree: Tree) -> set[str]:
    """All tasks that are called when something fails, and what comes of them."""
    return {id_ for each in inside(tree) for callback in each.get("link_error", ()) for id_ in ids(callback)}


def step_of(tree: Tree, task_id: str) -> int | None:
    """Which step of a chain of tasks it is, from 1; `None` where the whole is not as simple as that."""
    steps = [each.get("task") for each in tree.get("chain", ())]
    return steps.index(task_id) + 1 if task_id in steps and None not in steps else None


class Fate(Enum):
    """Whether the result of a part has come, may come, or will never come."""

    DONE = "done"
    OPEN = "open"
    DEAD = "dead"


@dataclass
class Prospects:
    """What can still become of the tasks of a tree.

    `blocked` wait for something that will never come. `awaited` are those that Celery is about to call: all before
    them has succeeded, and so has what they have sent, where others were put in their place. Error callbacks are in
    neither: whether one is called Celery decides.
    """

    states: Mapping[str, TaskState]
    called: Collection[str] = ()
    blocked: list[str] = field(default_factory=list)
    awaited: list[str] = field(default_factory=list)

    def of(self, tree: Tree, before: Fate = Fate.DONE) -> Fate:
        """Look at a tree; `before` is the fate of what comes before it. Gives its own."""
        if "task" in tree:
            return self._task(tree, before)
        if "chord" in tree:
            header = self._all(tree["chord"]["header"], before)
            return self.of(tree["chord"]["body"], header)
        if "group" in tree:
            return self._all(tree["group"], before)
        for each in tree["chain"]:
            before = self.of(each, before)
        return before

    def _all(self, members: list[Tree], before: Fate) -> Fate:
        fates = {self.of(each, before) for each in members}
        return Fate.DEAD if Fate.DEAD in fates else Fate.OPEN if Fate.OPEN in fates else Fate.DONE

    def _task(self, tree: Tree, before: Fate) -> Fate:
        id_ = tree["task"]
        sent = [each for spawned in tree.get("spawned", ()) for each in ids(spawned)]
        fate = self._fate(id_, before, is_vain=any(self.states[each] in DEAD for each in sent))
        for callback in tree.get("link", ()):
            self.of(callback, fate)
        for each in (*tree.get("link_error", ()), *tree.get("spawned", ())):
            self.of(each, Fate.OPEN)
        return fate

    def _fate(self, id_: str, before: Fate, *, is_vain: bool) -> Fate:
        state = self.states[id_]
        if state is TaskState.SUCCESS:
            return Fate.DONE
        if state in DEAD:
            return Fate.DEAD
        if state is TaskState.PENDING and id_ not in self.called:
            if before is Fate.DEAD:
                self.blocked.append(id_)
                return Fate.DEAD
            if before is Fate.DONE and not is_vain:
                self.awaited.append(id_)
        return Fate.OPEN
