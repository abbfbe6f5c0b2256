"""The use-cases of canvases: record, publish, cancel, retry, delete. Those that only read: `runs`."""

import inspect
import logging
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from celery.exceptions import CeleryError
from kombu.exceptions import KombuError
from redis import RedisError
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from background.base.errors import Conflict, Unavailable
from background.broker import marks, publishing, server
from background.canvas import judge, trees
from background.canvas.built import Built
from background.canvas.checks import check
from background.canvas.dry import BackendCall, Send
from background.canvas.plan import Plan
from background.canvas.runs import number_of, read_run, run_in, run_of
from background.canvas.schemas import (
    CatalogueTask,
    ChordRun,
    GroupRun,
    PlannedGraph,
    PlannedNode,
    Preview,
    Run,
)
from background.canvas.spec import (
    SHORT_NAMES,
    CanvasSpec,
    ChainSpec,
    ChordSpec,
    GroupSpec,
    from_text,
    names_of,
)
from background.canvas.sql import runs
from background.canvas.states import FINAL, RETRYABLE, RUN_FINAL, RunType, TaskState
from background.canvas.warnings import warnings_about
from background.celery import celery_app
from background.storage import database, pools
from background.task_names import CATALOGUE, END_TASKS

logger = logging.getLogger(__name__)
TYPE_OF = {ChainSpec: RunType.CHAIN, GroupSpec: RunType.GROUP, ChordSpec: RunType.CHORD}


def submit(spec: CanvasSpec, *, run_type: RunType | None = None) -> Run:
    """Start a canvas; gives the run as it was recorded, before any task began. Raises what `_submit` does."""
    return _submit(spec, run_type=run_type)[0]


def _submit(spec: CanvasSpec, *, run_type: RunType | None = None) -> tuple[Run, Plan]:
    """Record the canvas as Celery builds it, then publish it; gives the run and what was built.

    Raises `Invalid` for what is too large, and `Unavailable` when the broker does not take it; nothing of it stays
    behind then.
    """
    built = Built.of(spec)
    built.require_arguments()
    epoch = marks.epoch(new=str(uuid4()))
    run = {**built.run_row(spec), "type": run_type or TYPE_OF.get(type(spec), RunType.SINGLE)}
    # One statement, which commits by itself.
    with pools.working() as connection:
        runs.create(connection, run, built.task_rows(), epoch=epoch)
        row, seen = read_run(connection, built.plan.task_id)
    try:
        _publish(built.plan)
    except Unavailable:
        with database.transaction() as connection:
            runs.delete(connection, built.plan.task_id)
        raise
    assert row is not None  # noqa: S101  (inserted above)
    return Run.from_row(row, seen), built.plan


def submit_any(spec: CanvasSpec) -> Run:
    """Start any canvas as JSON, see `submit`. Raises `Invalid`, too."""
    check(spec)
    return submit(spec, run_type=RunType.CANVAS)


def preview(spec: CanvasSpec) -> Preview:
    """What Celery would make of it; nothing runs. Raises `Invalid`."""
    check(spec)
    built = Built.of(spec)
    built.require_arguments()
    nodes = [
        PlannedNode(
            id=UUID(node.id),
            path=list(built.written[node.origin][0]),
            span=built.spans[node.id],
            task=node.task,
            args=node.args,
            kwargs=node.kwargs,
        )
        for node in built.plan.nodes.values()
    ]
    edges = [(UUID(before), UUID(after)) for before, after in trees.edges(built.plan.tree)]
    return Preview(
        graph=PlannedGraph(nodes=nodes, edges=edges, tree=built.plan.tree),
        code=built.code,
        warnings=warnings_about(spec, built.plan),
    )


def catalogue() -> list[CatalogueTask]:
    """The tasks a canvas may use."""
    return [
        CatalogueTask(
            task=name.short,
            name=name.value,
            description=inspect.cleandoc(model.__doc__ or "").partition("\n")[0],
            parameters=list(model.model_fields),
            parameters_schema=model.model_json_schema(),
        )
        for name, model in CATALOGUE.items()
    ]


def cancel(task_id: UUID, *, terminate: bool) -> None:
    """What has not begun of this id's run never will; with `terminate` what runs is killed, where the pool can.

    Raises `NotFound`, `Conflict` when the run has ended, and `Unavailable`: killing takes the broker.
    """
    run = run_of(task_id)
    if terminate:
        server.require_broker()
    with database.transaction() as connection:
        number = judge.cancel(connection, str(run.task_id))
        if number is None:
            status = run_in(connection, task_id).status  # it may just have ended
            raise Conflict(f"The run is {status}; it cannot be cancelled any more.", code="run_ended", status=status)
        shared = runs.shared_ids(connection, number) if terminate else ()
    if terminate:
        running = [str(node.id) for node in run.nodes if node.state not in FINAL]
        publishing.broadcast(END_TASKS, {"task_ids": [*running, *shared]})


def retry(task_id: UUID) -> None:
    """Publish this id's run again: what had succeeded only hands on its recorded result.

    It does so under new ids: workers remember what was revoked, and messages of the last try may still be on their way.
    Raises `NotFound`, `Conflict` unless the run is FAILURE or REVOKED and its tasks still exist, and `Unavailable`.
    """
    epoch = marks.epoch(new=str(uuid4()))
    with database.transaction() as connection:
        number = number_of(connection, task_id)
        run, tasks = runs.lock(connection, number)
        if run.status not in RETRYABLE:
            message = f"The run is {run.status}; only one that is FAILURE or REVOKED can be retried."
            if run.status not in RUN_FINAL:
                message += " Wait until it has ended, or cancel it."
            raise Conflict(message, code="run_not_retryable", status=run.status)
        again = _again(connection, number, run, tasks, epoch=epoch)
    try:
        _publish(again.plan)
    except Unavailable:
        with database.transaction() as connection:
            judge.cancel(connection, again.plan.task_id)
        raise


def _again(
    connection: Connection, number: int, run: runs.LockedRun, tasks: Sequence[runs.LockedTask], *, epoch: str
) -> Built:
    """Record the next try of a run, and give what is to be published."""
    spec = _stored(run)
    before = Built.of(spec, [str(each) for each in run.ids])
    succeeded = {task.id for task in tasks if task.state == TaskState.SUCCESS}
    kept = (succeeded & set(before.plan.nodes)) - trees.errbacks(before.plan.tree)
    ids = {id_: str(uuid4()) for id_ in before.ids}
    after = Built.of(spec, list(ids.values()), handing_on={ids[id_] for id_ in kept & ids.keys()})
    renamed = dict(zip(before.plan.nodes, after.plan.nodes, strict=True))
    # Of tasks that nobody planned, and of the run itself, the run as a whole is what there is now.
    others = dict.fromkeys((*(task.id for task in tasks), str(run.task_id)), after.plan.task_id)
    runs.run_again(
        connection,
        number,
        after.run_row(spec),
        after.task_rows(),
        renamed=others | renamed,
        kept=[id_ for id_ in renamed if id_ in kept],
        epoch=epoch,
    )
    return after


def _stored(run: runs.LockedRun) -> CanvasSpec:
    """The canvas of a recorded run. Raises `Conflict` where it cannot be built any more."""
    spec = from_text(run.canvas) if run.canvas is not None else None
    gone = [name for name in names_of(spec) if name not in SHORT_NAMES] if spec is not None else ["?"]
    if spec is None or gone:
        message = f"The run cannot be retried: there is no task {gone[0]!r} any more."
        raise Conflict(message, code="run_task_gone", task=gone[0])
    return spec


def delete(task_id: UUID) -> None:
    """Forget an ended run with its tasks and events. Raises `NotFound`, or `Conflict` for what may change."""
    with database.transaction() as connection:
        run = run_in(connection, task_id)
        if run.status not in RUN_FINAL or not runs.delete_ended(connection, str(run.task_id)):
            message = f"The run is {run.status}; only one that has ended can be deleted."
            raise Conflict(message, code="run_not_ended", status=run.status)


def _publish(planned: Plan) -> None:
    try:
        with publishing.producer() as producer:
            _send(planned.steps, producer)
        marks.note_published(planned.task_id)
    except (KombuError, CeleryError, RedisError, SQLAlchemyError, OSError) as error:
        raise Unavailable("The broker (Redis) did not take the canvas.", code="broker_down") from error


def _send(steps: Sequence[Send | BackendCall], producer: Any) -> None:
    """Do in earnest what Celery did in memory, the messages in one write."""
    with producer.batch():
        for step in steps:
            if isinstance(step, Send):
                celery_app.amqp.send_task_message(producer, step.name, step.message, **step.options)
            else:
                getattr(celery_app.backend, step.method)(*step.args, **step.options)


def submit_group(spec: GroupSpec) -> GroupRun:
    """Start a group, see `submit`; the answer also names its members' results."""
    run, planned = _submit(spec)
    return GroupRun(**dict(run), group_id=run.task_id, task_ids=planned.result_ids)


def submit_chord(spec: ChordSpec) -> ChordRun:
    """Start a chord, see `submit`; the answer also names its callback."""
    run = submit(spec)
    return ChordRun(**dict(run), chord_id=run.task_id)
