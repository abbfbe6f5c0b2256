"""Tables of the recorded runs."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    desc,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB

from background.canvas.states import RunStatus, RunType, TaskState
from background.storage.schema import metadata, now_column, one_of, time_column

runs = Table(
    "runs",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    # The id whose result is the run's result.
    Column("task_id", Uuid, nullable=False, unique=True),
    Column("type", Text, nullable=False),
    Column("status", Text, nullable=False, server_default=RunStatus.PENDING.value),
    Column("code", Text, nullable=False),
    # The canvas as it was posted (JSON text), and the ids of its tasks in the order of definition: what a retry builds.
    Column("canvas", Text),
    Column("ids", ARRAY(Uuid)),
    # The broker that took it: a value that is gone when Redis is emptied or replaced.
    Column("epoch", Text),
    # What Celery built of it (see `trees`; not `jsonb`, which would put the body before the header), which Celery that
    # was, and where the result comes from.
    Column("tree", JSON, nullable=False),
    Column("celery", Text),
    Column("result_ids", JSONB, nullable=False),
    Column("cancelled", Boolean, nullable=False, server_default=text("false")),
    # Counters of tasks, raised under this row's lock; the run is over when `settled` reaches `total`.
    Column("total", Integer, nullable=False),
    Column("settled", Integer, nullable=False, server_default=text("0")),
    Column("succeeded", Integer, nullable=False, server_default=text("0")),
    Column("failed", Integer, nullable=False, server_default=text("0")),
    # Numbers the run's events; raised only by statements that hold this row.
    Column("event_count", Integer, nullable=False, server_default=text("1")),
    now_column("created_at"),
    now_column("updated_at"),
    CheckConstraint(one_of("status", RunStatus), name="status"),
    CheckConstraint(one_of("type", RunType), name="type"),
    Index("ix_runs_status_id", "status", desc("id")),
    Index("ix_runs_type_id", "type", desc("id")),
    Index("ix_runs_unfinished", "id", postgresql_where=text("status IN ('PENDING', 'STARTED', 'RETRY')")),
    Index("ix_runs_unfinished_epoch", "epoch", postgresql_where=text("status IN ('PENDING', 'STARTED', 'RETRY')")),
)

run_tasks = Table(
    "run_tasks",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("run_id", BigInteger, ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    # Depth first in the order of definition, from 0.
    Column("position", Integer, nullable=False),
    Column("task", Text, nullable=False),
    # JSON text, as it was serialised: `jsonb` would give other values back.
    Column("args", Text, nullable=False),
    Column("kwargs", Text, nullable=False, server_default="{}"),
    Column("state", Text, nullable=False, server_default=TaskState.PENDING.value),
    # Its message was sent.
    Column("called", Boolean, nullable=False, server_default=text("false")),
    # Nothing more will come: neither of it nor of what Celery calls because of it.
    Column("closed", Boolean, nullable=False, server_default=text("false")),
    Column("result", Text),
    Column("error", JSONB),
    Column("retries", Integer, nullable=False, server_default=text("0")),
    # How often it began: once, once more for each retry, and for each worker that died under it.
    Column("starts", Integer, nullable=False, server_default=text("0")),
    Column("worker", Text),
    Column("worker_id", Uuid),
    # When it may begin, where it waits for a countdown or an eta.
    time_column("due_at"),
    # Where its message waits, if that is not the usual queue.
    Column("queue", Text),
    time_column("started_at"),
    time_column("finished_at"),
    # The task that sent it while it ran, where nobody planned it.
    Column("parent_id", Uuid),
    UniqueConstraint("run_id", "position"),
    CheckConstraint(one_of("state", TaskState), name="state"),
    # What `GET /workers` shows as running.
    Index("ix_run_tasks_started", "worker", postgresql_where=text("state = 'STARTED'")),
)

# Ids that tasks and runs had before a retry, each with the id that stands for it now; ids that several calls of a task
# share, each with the first of these; and those of groups and chains within a run, with the run's.
run_aliases = Table(
    "run_aliases",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("run_id", BigInteger, ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("current", Uuid, nullable=False),
    Index("ix_run_aliases_run_id", "run_id"),
)

run_events = Table(
    "run_events",
    metadata,
    Column("run_id", BigInteger, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    now_column("at"),
    # The task that changed; NULL where it was the run as a whole.
    Column("task_id", Uuid),
    # Who began it, in `started`; NULL also where an earlier release wrote it.
    Column("worker", Text),
)

# One row: up to which number recovery has looked at the runs that have not ended, and until when it rests from that.
sweeps = Table(
    "sweeps",
    metadata,
    Column("place", BigInteger, nullable=False),
    Column("rest_until", DateTime(timezone=True), nullable=False),
)
