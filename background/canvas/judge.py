"""Decides what can never run any more, and whether a run has ended, from what was observed. See `sql.runs`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from background.canvas.sql import runs
from background.canvas.states import RUN_FINAL, RunStatus, TaskState
from background.canvas.trees import CALLS, Prospects, Tree, inside, passed


@dataclass(frozen=True)
class Judgement:
    """Tasks that can never run, and those that Celery owes a call; `ended`: nothing of the run can change."""

    skipped: Collection[str]
    awaited: Collection[str]
    ended: bool


def judgement(tree: Tree, states: Mapping[str, TaskState], *, called: Collection[str], busy: bool) -> Judgement:
    """What is to be said of a run whose tasks are in these states; `busy`: something of it is under way.

    While it is, only what waits for something that will never come is given up, and no call is owed: what had succeeded
    before a retry may still wait to hand its result on. Once all that was called has come to its end, so is everything
    that was not called, unless Celery owes the call. It owes none of a task in whose place others were put, and after
    which the next was called: a group at their end has not its id, and what comes next is called by the members.
    """
    prospects = Prospects(states, called)
    prospects.of(tree)
    awaited = set(prospects.awaited) - passed(tree, called)
    if busy or awaited:
        return Judgement(prospects.blocked, () if busy else awaited, ended=False)
    rest = [id_ for id_, state in states.items() if state is TaskState.PENDING and id_ not in called]
    return Judgement(rest, (), ended=True)


def final_status(states: Collection[TaskState], *, cancelled: bool) -> RunStatus:
    """The status of a run that has ended with its tasks in these states."""
    if TaskState.FAILURE in states and not cancelled:
        return RunStatus.FAILURE
    return RunStatus.REVOKED if cancelled or TaskState.REVOKED in states else RunStatus.SUCCESS


def judge(connection: Connection, number: int) -> Judgement:
    """Look at a run, and record what is to be said of it: in one transaction, which holds its row."""
    run, tasks = runs.lock(connection, number)
    states = {task.id: TaskState(task.state) for task in tasks}
    found = judgement(
        with_spawned(run.tree, {task.id: task.parent_id for task in tasks}),
        states,
        called={task.id for task in tasks if task.called},
        busy=run.busy,
    )
    skipped = runs.skip(connection, found.skipped)
    if found.ended and run.status not in RUN_FINAL:
        status = final_status(states.values(), cancelled=run.cancelled)
        runs.tell(connection, number, "ended", status=status)
    elif skipped:
        runs.tell(connection, number, "skipped")
    return found


def cancel(connection: Connection, task_id: str) -> int | None:
    """What waits of the run with this id never runs; gives its number if it was still under way. See `judge`."""
    number = runs.cancel(connection, task_id)
    if number is not None:
        judge(connection, number)
    return number


def with_spawned(tree: Tree, parents: Mapping[str, str | None]) -> Tree:
    """The tree with the tasks that nobody planned (those with a parent) under `spawned` of the task that sent them."""
    sent: dict[str, list[Tree]] = {}
    for id_, parent in parents.items():
        if parent is not None:
            sent.setdefault(parent, []).append({"task": id_})
    if not sent:
        return tree
    found = _copy(tree)
    for each in inside(found):
        if each.get("task") in sent:
            each["spawned"] = sent.pop(each["task"])
    if sent:  # sent by something that is no task of the run
        first = next(each for each in inside(found) if "task" in each)
        first["spawned"] = [*first.get("spawned", ()), *(each for trees in sent.values() for each in trees)]
    return found


def _copy(tree: Tree) -> Tree:
    found = dict(tree)
    for name in ("chain", "group", *CALLS):
        if name in found:
            found[name] = [_copy(each) for each in found[name]]
    if "chord" in found:
        chord = found["chord"]
        found["chord"] = {"header": [_copy(each) for each in chord["header"]], "body": _copy(chord["body"])}
    return found
