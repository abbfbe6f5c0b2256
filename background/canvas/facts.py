"""What happened to a run, and why, as facts: above all why a callback did not run. `wording` says it in English."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

from background.canvas import trees
from background.canvas.reasons import CODE_OF_ERROR, Code, Error, Named, Reason, Tasks
from background.canvas.states import TaskState
from background.canvas.trees import Tree
from background.task_names import short_name

SHOWN = 5
UNDER_WAY = frozenset({TaskState.STARTED, TaskState.RETRY})


class TaskFacts(Protocol):
    """What is looked at of a task."""

    @property
    def id(self) -> Any: ...
    @property
    def task(self) -> str: ...
    @property
    def args(self) -> list[Any]: ...
    @property
    def state(self) -> TaskState: ...
    @property
    def error(self) -> Error | None: ...
    @property
    def worker(self) -> str | None: ...
    @property
    def retries(self) -> int: ...
    @property
    def starts(self) -> int: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def finished_at(self) -> datetime | None: ...
    @property
    def due_at(self) -> datetime | None: ...
    @property
    def queue(self) -> str | None: ...
    @property
    def called(self) -> bool: ...


@dataclass(frozen=True)
class Story:
    """What is known of a run.

    `silent` has the ids of running tasks whose worker was not seen for a while; `queue_length` is `None` while no
    worker reaches the broker.
    """

    nodes: Sequence[TaskFacts]
    tree: Tree
    now: datetime
    cancelled: bool = False
    ended: bool = False
    silent: Collection[str] = field(default_factory=tuple)
    live_workers: int = 1
    queue_length: int | None = 0
    celery: str | None = None

    def of(self, *states: TaskState) -> list[TaskFacts]:
        """The tasks in one of these states, in order of definition."""
        return [node for node in self.nodes if node.state in states]

    @cached_property
    def skipped(self) -> list[TaskFacts]:
        """The tasks that have never run and never will; one that had begun has put others in its place."""
        failed = {node.id for node in self.failed}
        uncalled = [node for node in self.of(TaskState.FAILURE) if node.id not in failed]
        return [node for node in self.of(TaskState.SKIPPED) if node.started_at is None] + uncalled

    @cached_property
    def failed(self) -> list[TaskFacts]:
        """The tasks that failed. A body that its chord could not call is one of them where nothing else failed."""
        failed = self.of(TaskState.FAILURE)
        return [node for node in failed if not _is_uncalled_body(node)] or failed

    @property
    def by_id(self) -> Mapping[str, TaskFacts]:
        """The tasks by their ids."""
        return {str(node.id): node for node in self.nodes}

    def name(self, node: TaskFacts) -> str:
        """What to call a task: with its arguments where others have its name, too."""
        short = short_name(node.task)
        alone = sum(1 for each in self.nodes if each.task == node.task) == 1
        return short if alone or not node.args else f"{short}({', '.join(map(_short, node.args))})"


def reason(story: Story) -> Reason | None:
    """The facts of a run; `None` where every task has succeeded and there is nothing to say."""
    found = _outcome(story)
    if found is not None:
        found.celery = story.celery
        by_id = story.by_id
        single = {each for each in (found.culprit, found.callback, found.node, found.failed) if each is not None}
        found.names = {each: story.name(by_id[each]) for each in sorted(single)}
    return found


def expired(found: Reason | None, *, celery: str | None) -> Reason:
    """The facts of a run whose results Celery itself has forgotten."""
    found = found or Reason(code=Code.RESULTS_EXPIRED, celery=celery)
    found.results_expired = True
    return found


def facts_of(found: Reason | None) -> dict[str, Any] | None:
    """The facts as a client is told them: those that there are."""
    return None if found is None else found.model_dump(mode="json", exclude_none=True)


def _outcome(story: Story) -> Reason | None:
    if story.cancelled:
        return _cancelled(story)
    if len(story.of(TaskState.SUCCESS)) == len(story.nodes):
        return None
    if failed := story.failed:
        return _failed(story, failed)
    for kind in ("Killed", "TaskExpired"):
        if ended := _revoked(story, kind):
            return _stopped(story, CODE_OF_ERROR[kind], culprit=ended[0])
    return _quiet(story) if story.ended else _under_way(story)


def _quiet(story: Story) -> Reason | None:
    """The facts of a run that has ended without a failure."""
    if story.of(TaskState.REVOKED):
        return _stopped(story, Code.REVOKED)
    return Reason(code=Code.CALLBACK_UNNEEDED, never=tasks(story.skipped)) if story.skipped else None


def _cancelled(story: Story) -> Reason:
    """The facts of a run that somebody cancelled, whatever had become of it by then."""
    killed = _revoked(story, "Killed")
    running = not story.ended and story.of(*UNDER_WAY)
    code = Code.KILLED if killed else Code.CANCELLED if running else Code.REVOKED
    found = _stopped(story, code, culprit=killed[0] if killed else None)
    if code is Code.REVOKED and not (found.never or found.stopped or found.expired):
        found.how = "late"
    return found


def _revoked(story: Story, kind: str) -> list[TaskFacts]:
    """The tasks that were revoked with an error of this type."""
    return [node for node in story.of(TaskState.REVOKED) if node.error is not None and node.error.type == kind]


def _under_way(story: Story) -> Reason:
    found = _at_work(story) or _due(story) or _waiting(story)
    found.completed, found.total = len(story.of(TaskState.SUCCESS)), len(story.nodes)
    return found


def _at_work(story: Story) -> Reason | None:
    for node in story.nodes:
        if str(node.id) in story.silent:
            return Reason(code=Code.WORKER_SILENT, node=str(node.id), worker=node.worker)
    if running := story.of(TaskState.STARTED):
        since = min((node.started_at for node in running if node.started_at), default=None)
        return Reason(code=Code.RUNNING, running=tasks(running), since=since)
    for node in story.of(TaskState.RETRY):
        return Reason(code=Code.RETRYING, node=str(node.id), error=node.error, retries=node.retries)
    return None


def _due(story: Story) -> Reason | None:
    due = {node.due_at: node for node in story.of(TaskState.PENDING)[::-1] if node.due_at and node.due_at > story.now}
    if not due:
        return None
    first = min(filter(None, due))
    return Reason(code=Code.DUE_LATER, node=str(due[first].id), due_at=first)


def _waiting(story: Story) -> Reason:
    if story.live_workers == 0:
        return Reason(code=Code.NO_WORKER)
    if story.queue_length is None:
        return Reason(code=Code.BROKER_DOWN)
    for node in story.of(TaskState.PENDING):
        if node.queue is not None:
            return Reason(code=Code.WAITING_IN_QUEUE, node=str(node.id), queue=node.queue)
    return Reason(code=Code.WAITING_FOR_WORKER, queued=story.queue_length, workers=story.live_workers)


def _stopped(story: Story, code: Code, *, culprit: TaskFacts | None = None) -> Reason:
    """The facts of a run of which something was stopped, above all the culprit if there is one."""
    found = Reason(
        code=code,
        culprit=None if culprit is None else str(culprit.id),
        completed=len(story.of(TaskState.SUCCESS)),
        total=len(story.nodes),
    )
    cause = culprit
    if culprit is not None and culprit.error is not None and culprit.error.last is not None:
        found.how, found.retries, found.error = "retried", culprit.retries, culprit.error.last
    if failed := story.failed:
        first = min(failed, key=_ended_at)
        found.failed, cause = str(first.id), culprit or first
        _add_failure(found, first, failed)
    if cause is not None:
        _add_callback(found, story, cause)
    _add_others(found, story, story.skipped)
    return found


def _failed(story: Story, failed: Sequence[TaskFacts]) -> Reason:
    first = min(failed, key=_ended_at)
    code = CODE_OF_ERROR.get(first.error.type if first.error else "", Code.FAILED)
    errbacks = trees.errbacks(story.tree)
    found = Reason(code=code, culprit=str(first.id), called=_some(_errbacks_that_ran(story)))
    _add_failure(found, first, failed)
    if code is Code.LOST:
        found.worker, found.how = first.worker, first.error.how if first.error else None
    _add_callback(found, story, first)
    _add_others(found, story, [node for node in story.skipped if str(node.id) not in errbacks])
    if code is Code.FAILED and found.callback is not None:
        found.code = Code.CALLBACK_SKIPPED
    elif code is Code.FAILED and found.never is not None:
        found.code, found.step = Code.CHAIN_STOPPED, trees.step_of(story.tree, str(first.id))
    return found


def _add_failure(found: Reason, first: TaskFacts, failed: Sequence[TaskFacts]) -> None:
    found.error = first.error
    found.tries = first.starts if first.starts > 1 else None
    found.others = len(failed) - 1 or None


def _add_callback(found: Reason, story: Story, cause: TaskFacts) -> None:
    """The callback that does not run because of this task, if there is one, and who ran beside the task."""
    if (callback := _callback(story, str(cause.id))) is None:
        return
    chord, node = callback
    found.callback = str(node.id)
    members = [trees.ids(member) for member in chord["chord"]["header"]]
    siblings = {id_ for member in members if str(cause.id) not in member for id_ in member}
    called = _errbacks_that_ran(story)
    found.ran = _some([each for each in story.of(TaskState.SUCCESS) if str(each.id) in siblings and each not in called])


def _add_others(found: Reason, story: Story, skipped: Sequence[TaskFacts]) -> None:
    """What became of the tasks that neither failed nor succeeded, but for the culprit and the callback."""
    names = ("never", "stopped", "killed", "expired", "running", "waiting")
    kinds: dict[str, list[TaskFacts]] = {name: [] for name in names}
    given_up = {str(node.id) for node in skipped}
    for node in story.nodes:
        if str(node.id) in (found.culprit, found.callback):
            continue
        if node.state is TaskState.REVOKED:
            kind = {"Killed": "killed", "TaskExpired": "expired"}.get(node.error.type if node.error else "")
            if kind or not _is_replaced(node):
                kinds[kind or ("never" if node.started_at is None else "stopped")].append(node)
        elif str(node.id) in given_up:
            kinds["never"].append(node)
        elif node.state in UNDER_WAY and not story.ended:
            kinds["running"].append(node)
        elif node.state is TaskState.PENDING and node.called and not story.ended:
            kinds["waiting"].append(node)
    for name, nodes in kinds.items():
        setattr(found, name, _some(nodes))


def _callback(story: Story, culprit: str) -> tuple[Tree, TaskFacts] | None:
    """The innermost chord whose body does not run because of this task, and the first task of that body."""
    by_id = story.by_id
    skipped = {node.id for node in story.skipped}
    for chord in trees.chords_around(story.tree, culprit):
        node = by_id[trees.first_ids(chord["chord"]["body"])[0]]
        if node.id in skipped:
            return chord, node
    return None


def _is_uncalled_body(node: TaskFacts) -> bool:
    """Whether Celery says that a task has failed which never began, as it does of what waits for a failed header."""
    return not node.starts and node.error is not None and node.error.type == "ChordError"


def _is_replaced(node: TaskFacts) -> bool:
    """Whether it has put others in its place, of which it is told. One that was handed back has no worker."""
    return node.started_at is not None and not node.starts and node.worker is not None


def _errbacks_that_ran(story: Story) -> list[TaskFacts]:
    errbacks = trees.errbacks(story.tree)
    return [node for node in story.of(TaskState.SUCCESS) if str(node.id) in errbacks]


def _some(nodes: Sequence[TaskFacts]) -> Tasks | None:
    return tasks(nodes) if nodes else None


def tasks(nodes: Sequence[TaskFacts]) -> Tasks:
    """These tasks, by name."""
    names = [short_name(node.task) for node in nodes]
    first: dict[str, str] = {}
    for node, name in zip(nodes, names, strict=True):
        first.setdefault(name, str(node.id))
    told = list(Counter(names).items())[:SHOWN]
    return Tasks(count=len(nodes), tasks=[Named(id=first[name], name=name, times=times) for name, times in told])


def _ended_at(node: TaskFacts) -> float:
    return node.finished_at.timestamp() if node.finished_at else float("inf")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 20 else f"{text[:19]}…"
