"""One sentence that says what happened to a run, and why."""

from collections.abc import Sequence
from typing import Protocol

from background.canvas.states import TaskState


class Node(Protocol):
    """What the verdict looks at of a task."""

    @property
    def task(self) -> str: ...
    @property
    def state(self) -> TaskState: ...
    @property
    def error(self) -> "Cause | None": ...


class Cause(Protocol):
    """An error as recorded."""

    @property
    def type(self) -> str: ...
    @property
    def message(self) -> str: ...


def verdict(nodes: Sequence[Node]) -> str:
    """The verdict on a run with these tasks, in order of definition."""
    by_state = {state: [node for node in nodes if node.state is state] for state in TaskState}
    succeeded, skipped = len(by_state[TaskState.SUCCESS]), by_state[TaskState.SKIPPED]
    running = by_state[TaskState.STARTED] + by_state[TaskState.RETRY]
    if failed := by_state[TaskState.FAILURE]:
        cause = failed[0].error
        reason = f": {cause.type}: {cause.message}" if cause else ""
        never = f"; {_names(skipped)} never ran because of it" if skipped else ""
        return f"{_names(failed)} failed{reason}{never}."
    if succeeded == len(nodes):
        return f"All {succeeded} tasks succeeded." if succeeded > 1 else "The task succeeded."
    if running:
        return f"Running: {_names(running)}; {succeeded} of {len(nodes)} tasks are done."
    if succeeded:
        return f"{succeeded} of {len(nodes)} tasks are done; the next one waits for a worker."
    return "Waiting for a worker."


def _names(nodes: Sequence[Node]) -> str:
    return ", ".join(node.task.rpartition(".")[2] for node in nodes[:5]) + ("…" if len(nodes) > 5 else "")
