"""One sentence that says what happened to a run, and why: above all why a callback did not run."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Protocol
from uuid import UUID

from background.canvas.states import TaskState

SHOWN = 5


class Cause(Protocol):
    """An error as recorded."""

    @property
    def type(self) -> str: ...
    @property
    def message(self) -> str: ...


class Node(Protocol):
    """What the verdict looks at of a task."""

    @property
    def id(self) -> UUID: ...
    @property
    def task(self) -> str: ...
    @property
    def state(self) -> TaskState: ...
    @property
    def error(self) -> Cause | None: ...
    @property
    def worker(self) -> str | None: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def finished_at(self) -> datetime | None: ...


@dataclass(frozen=True)
class Story:
    """What is known of a run. `edges` are pairs of ids as text: the second waits for the first; `chain`: it is one.

    `worker_lost` has the ids of running tasks whose worker was not seen for a while; `queue_length` is `None` while
    no worker reaches the broker; `results_expired`: Celery itself has forgotten the results.
    """

    nodes: Sequence[Node]
    edges: Sequence[tuple[str, str]] = ()
    chain: bool = False
    cancelled: bool = False
    ended: bool = False
    worker_lost: Collection[str] = field(default_factory=tuple)
    live_workers: int = 1
    queue_length: int | None = 0
    results_expired: bool = False

    def of(self, *states: TaskState) -> list[Node]:
        """The tasks in one of these states, in order of definition."""
        return [node for node in self.nodes if node.state in states]

    def step(self, node: Node) -> int | None:
        """Which step of a chain of tasks this one is, from 1; `None` where the run is not as simple as that."""
        plain = self.chain and [tuple(edge) for edge in self.edges] == list(
            pairwise(str(each.id) for each in self.nodes)
        )
        return self.nodes.index(node) + 1 if plain else None

    def before(self, node: Node) -> list[Node]:
        """The tasks that this one waits for."""
        ids = {first for first, second in self.edges if second == str(node.id)}
        return [each for each in self.nodes if str(each.id) in ids]


def verdict(story: Story) -> str:
    """The verdict on a run."""
    said = _outcome(story)
    if story.ended and story.results_expired:
        said += " Celery's own results have expired; this is the record."
    return said


def _outcome(story: Story) -> str:
    succeeded, total = len(story.of(TaskState.SUCCESS)), len(story.nodes)
    if succeeded == total:
        return f"All {total} tasks succeeded." if total > 1 else "The task succeeded."
    if story.cancelled:
        return _cancelled(story)
    if failed := story.of(TaskState.FAILURE):
        first = min(failed, key=lambda node: node.finished_at.timestamp() if node.finished_at else float("inf"))
        return _failed(story, first, failed)
    if story.ended and not story.of(TaskState.REVOKED):
        return f"All went well; {_names(story.of(TaskState.SKIPPED))}, for the case of an error, did not have to run."
    if story.ended:
        return f"Revoked: {_names(story.of(TaskState.REVOKED, TaskState.SKIPPED))} never ran."
    return _under_way(story, succeeded, total)


def _under_way(story: Story, succeeded: int, total: int) -> str:
    if lost := [node for node in story.nodes if str(node.id) in story.worker_lost]:
        return f"{_names(lost)} was lost: the worker {lost[0].worker} was not seen any more while it ran."
    if running := story.of(TaskState.STARTED, TaskState.RETRY):
        since = min((node.started_at for node in running if node.started_at), default=None)
        when = f" since {since:%H:%M:%S} UTC" if since else ""
        return f"Running{when}: {_names(running)}; {succeeded} of {total} tasks are done."
    return f"{_waiting(story)} {succeeded} of {total} tasks are done." if succeeded else _waiting(story)


def _waiting(story: Story) -> str:
    if story.live_workers == 0:
        return "Waiting for a worker: none is alive."
    if story.queue_length is None:
        return "Waiting for the broker: no worker can reach it."
    messages = "1 message is" if story.queue_length == 1 else f"{story.queue_length} messages are"
    return f"Waiting for a worker: {messages} in the queue, {story.live_workers} alive."


def _cancelled(story: Story) -> str:
    never = _names(story.of(TaskState.REVOKED, TaskState.SKIPPED))
    if running := story.of(TaskState.STARTED):
        return f"Cancelled: {never or 'nothing else'} will not run; {_names(running)} may still finish."
    return f"Revoked: {never} never ran; {len(story.of(TaskState.SUCCESS))} of {len(story.nodes)} tasks were done."


def _failed(story: Story, first: Node, failed: Sequence[Node]) -> str:
    cause = first.error
    if cause is not None and cause.type == "Lost":
        said = f"{_name(first)} was lost: {cause.message}."
    else:
        reason = f": {cause.type}: {cause.message.rstrip('.')}" if cause else ""
        others = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        said = f"{_name(first)}{others} failed{reason}."
    skipped = story.of(TaskState.SKIPPED)
    joins = [node for node in skipped if len(story.before(node)) > 1 and first in _all_before(story, node)]
    if joins:
        siblings = [node for node in story.before(joins[0]) if node.state is TaskState.SUCCESS]
        ran = f"; {_names(siblings)} in the same header still ran" if siblings else ""
        said += f" So {_name(joins[0])}, the callback of its chord, did not run{ran}."
        skipped = [node for node in skipped if node is not joins[0]]
    if skipped:
        step = story.step(first)
        said += f" {f'The chain stopped at step {step}: ' if step else ''}{_names(skipped)} never ran."
    if not story.ended and (running := story.of(TaskState.STARTED, TaskState.RETRY)):
        said += f" {_names(running)} still {'run' if len(running) > 1 else 'runs'}."
    return said


def _all_before(story: Story, node: Node) -> list[Node]:
    found: list[Node] = []
    waiting = [node]
    while waiting:
        for each in story.before(waiting.pop()):
            if each not in found:
                found.append(each)
                waiting.append(each)
    return found


def _name(node: Node) -> str:
    return node.task.rpartition(".")[2]


def _names(nodes: Sequence[Node]) -> str:
    """`add, add, multiply`; of many, `add (60 times), multiply`, and the first names only."""
    if len(nodes) <= SHOWN:
        return ", ".join(map(_name, nodes))
    times = Counter(map(_name, nodes))
    shown = [name if number == 1 else f"{name} ({number} times)" for name, number in times.items()]
    return ", ".join(shown[:SHOWN]) + (f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else "")
