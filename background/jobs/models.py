"""Tables of the job pipeline. `background/migrations` builds them; a test holds the two together."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    Identity,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
    desc,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from background.jobs.states import JobStatus, StepStatus
from background.storage.schema import XID8, metadata, now_column, one_of, time_column


def _params(status: JobStatus) -> Index:
    """An index of the params of jobs of a status, which is worded so that no search takes one of ids instead."""
    return Index(
        f"ix_jobs_params_{status.lower()}",
        "params",
        postgresql_ops={"params": "jsonb_path_ops"},
        postgresql_using="gin",
        postgresql_where=text(f"(status || '') = '{status}'"),
        postgresql_with={"gin_pending_list_limit": 512},
    )


jobs = Table(
    "jobs",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("task_id", Uuid, nullable=False, unique=True),
    Column("pipeline", Text, nullable=False),
    # The names of the pipeline's steps when the job was made: the row tells by itself what COMPLETED means.
    Column("step_names", ARRAY(Text), nullable=False),
    # Their time-outs in seconds, NULL where a step has none of its own.
    Column("step_timeouts", ARRAY(Float)),
    # After a change of plan: the numbers in the steps' keys, by name, of all steps that ever stood in it.
    Column("step_keys", JSONB),
    Column("params", JSONB, nullable=False),
    # Read by workers of earlier releases alone, which look at the parameters where it is NULL.
    Column("params_digest", Text),
    Column("status", Text, nullable=False, server_default=JobStatus.PENDING.value),
    Column("priority", SmallInteger, nullable=False, server_default=text("0")),
    Column("run_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("max_attempts", SmallInteger, nullable=False),
    # Claims so far; never lowered. The fence of every write is `claim_token`.
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    # What is held against max_attempts; 0 again after a retry.
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("current_step", SmallInteger, nullable=False, server_default=text("0")),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    # Written by earlier releases alone, whose messages name a job.
    Column("published_at", DateTime(timezone=True)),
    # Set once a worker that cannot run the job had come to it: `refused_by` are the crews (see `workers.identity.Crew`)
    # that refused its parameters, with the `error`.
    Column("turned_away", JSONB),
    # The release to whose queue such a job was sent.
    Column("sent_to", Text),
    Column("claim_token", Uuid),
    # The message that woke the slot of the worker which has claimed it.
    Column("wake_up", Text),
    Column("worker", Text),
    Column("worker_id", Uuid),
    time_column("lease_until"),
    # When the running step has timed out; its lease is not renewed past that.
    time_column("step_until"),
    # The Celery queue whose workers run it.
    Column("queue", Text, nullable=False, server_default="celery"),
    Column("tags", ARRAY(Text), nullable=False, server_default="{}"),
    # The values of the parameters by which the limits of its pipeline count apart (see `limits.Lane`).
    Column("limit_key", Text, nullable=False, server_default=""),
    # No claim looks at it until a limit lets it in, and when one did last.
    Column("held", Boolean, nullable=False, server_default=text("false")),
    time_column("admitted_at"),
    # Of the jobs of its pipeline with this key one at a time has not ended.
    Column("unique_key", Text),
    # The schedule that made it, which may be gone.
    Column("schedule_id", BigInteger),
    # What is called when it has ended (`hooks.called`), each as a job that has this one for its parent.
    Column("hooks", JSONB),
    Column("parent_id", BigInteger),
    # The `X-Request-ID` of the request that made it, if one did: it stands in the worker's log.
    Column("request_id", Text),
    # When the present attempt began, and how long it took once it has ended.
    time_column("claimed_at"),
    Column("running_seconds", Float),
    Column("idempotency_key", Text),
    Column("request_digest", Text),
    Column("result", JSONB),
    Column("error", Text),
    # Why its step has asked to be run later; of no meaning any more once that is due.
    Column("waits_for", Text),
    # Numbers the job's events; raised only by statements that hold this row.
    Column("event_count", Integer, nullable=False, server_default=text("1")),
    now_column("created_at"),
    now_column("updated_at"),
    time_column("started_at"),
    time_column("finished_at"),
    CheckConstraint(one_of("status", JobStatus), name="status"),
    CheckConstraint("priority BETWEEN 0 AND 9", name="priority"),
    CheckConstraint("max_attempts BETWEEN 1 AND 100", name="max_attempts"),
    CheckConstraint("(status = 'IN_PROGRESS') = (lease_until IS NOT NULL)", name="lease"),
    # COMPLETED are nearly all in the end; those that run, see below, are few. Indexes of PENDING ones that a claim must
    # not take, since it would read all that wait, are worded otherwise than it, which asks for each priority.
    Index("ix_jobs_pending_by_id", "id", postgresql_where=text("status = 'PENDING' AND priority >= 0")),
    Index("ix_jobs_failed", "id", postgresql_where=text("status = 'FAILED'")),
    Index("ix_jobs_cancelled", "id", postgresql_where=text("status = 'CANCELLED'")),
    # The pipeline's name is an expression, so that its own statistics are asked: PostgreSQL takes it for independent of
    # the status otherwise, and where no job of a pipeline has failed it would look through all that have.
    Index(
        "ix_jobs_pending_of",
        text("(pipeline || '')"),
        "id",
        postgresql_where=text("status = 'PENDING' AND priority >= 0"),
    ),
    # With the column itself they are counted without their rows.
    *(
        Index(
            f"ix_jobs_{status.lower()}_of",
            text("(pipeline || '')"),
            "id",
            postgresql_include=["pipeline"],
            postgresql_where=text(f"status = '{status}'"),
        )
        for status in ("FAILED", "CANCELLED")
    ),
    Index("ix_jobs_pipeline_id", "pipeline", desc("id")),
    Index(
        "ix_jobs_idempotency_key",
        "idempotency_key",
        unique=True,
        postgresql_where=text("idempotency_key IS NOT NULL"),
    ),
    # What each worker had; what runs is found by its claim.
    Index(
        "ix_jobs_worker",
        "worker",
        desc("id"),
        postgresql_where=text("worker IS NOT NULL AND status <> 'IN_PROGRESS'"),
    ),
    Index("ix_jobs_parent", "parent_id", "id", postgresql_where=text("parent_id IS NOT NULL")),
    # The last hour of `GET /jobs/stats`, what is added up of it, and retention.
    Index("ix_jobs_finished_at", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
    # The two small sets that recovery looks through. lease_until stays out of every index: renewing it is then
    # a HOT update.
    Index("ix_jobs_due_at", "run_at", postgresql_where=text("status = 'PENDING' AND priority >= 0")),
    # The key of a job that has not ended, see `sql.unique`, and how long ago others had it.
    Index(
        "ix_jobs_unique",
        "pipeline",
        "unique_key",
        unique=True,
        postgresql_where=text("unique_key IS NOT NULL AND status IN ('PENDING', 'IN_PROGRESS')"),
    ),
    Index(
        "ix_jobs_unique_key",
        "pipeline",
        "unique_key",
        "created_at",
        postgresql_where=text("unique_key IS NOT NULL"),
    ),
    # What jobs are found by, see `sql.finding`. A job comes into an index of params once, when it has ended: there it
    # costs each job some 10 µs. Those that have not ended are few, or are read by `ix_jobs_pending_by_id`.
    _params(JobStatus.FAILED),
    _params(JobStatus.CANCELLED),
    _params(JobStatus.COMPLETED),
    Index("ix_jobs_tags", "tags", postgresql_using="gin", postgresql_where=text("cardinality(tags) > 0")),
    Index("ix_jobs_error", "id", postgresql_where=text("error IS NOT NULL")),
    Index("ix_jobs_queue_id", "queue", desc("id"), postgresql_where=text("queue <> 'celery'")),
    Index("ix_jobs_schedule", "schedule_id", desc("id"), postgresql_where=text("schedule_id IS NOT NULL")),
    Index("ix_jobs_claim_token", "claim_token", unique=True, postgresql_where=text("status = 'IN_PROGRESS'")),
    Index(
        "ix_jobs_next",
        "queue",
        "held",
        "priority",
        "run_at",
        "id",
        postgresql_where=text("status = 'PENDING' AND turned_away IS NULL"),
    ),
    # Only jobs that limits hold, or have let in, are in these.
    Index(
        "ix_jobs_held",
        "queue",
        "pipeline",
        "limit_key",
        desc("priority"),
        "run_at",
        "id",
        postgresql_where=text("status = 'PENDING' AND held"),
    ),
    Index(
        "ix_jobs_permits",
        "id",
        postgresql_where=text("status = 'PENDING' AND NOT held AND admitted_at IS NOT NULL"),
    ),
    Index("ix_jobs_admitted_at", "admitted_at", postgresql_where=text("admitted_at IS NOT NULL")),
    Index("ix_jobs_begun", "claimed_at", postgresql_where=text("admitted_at IS NOT NULL")),
    Index(
        "ix_jobs_sent",
        "sent_to",
        "priority",
        "run_at",
        "id",
        postgresql_where=text("status = 'PENDING' AND turned_away IS NOT NULL"),
    ),
)

job_controls = Table(
    "job_controls",
    metadata,
    # What people have set for a `queue` or a `pipeline`: paused, how many at once, how many begin in a time.
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("paused", Boolean, nullable=False, server_default=text("false")),
    Column("concurrency", Integer),
    Column("rate_count", Integer),
    Column("rate_seconds", Float),
)

job_begins = Table(
    "job_begins",
    metadata,
    # When a job began that is not there any more, or waits in another lane now, as far as a rate counts it still.
    Column("job_id", BigInteger, primary_key=True, autoincrement=False),
    Column("at", DateTime(timezone=True), primary_key=True),
    Column("queue", Text, nullable=False),
    Column("pipeline", Text, nullable=False),
    Column("limit_key", Text, nullable=False),
    Index("ix_job_begins_at", "at"),
)

job_history = Table(
    "job_history",
    metadata,
    # Of the 20 minutes that begin then: how many jobs of a pipeline have ended with a status, or had a value in a bin
    # of a measure, and the sum of those values (`jobs.sql.history`). Nothing here changes any more.
    Column("since", DateTime(timezone=True), primary_key=True),
    Column("pipeline", Text, primary_key=True),
    Column("measure", Text, primary_key=True),
    Column("bin", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
)

job_steps = Table(
    "job_steps",
    metadata,
    # For clients; nobody asks for a step by it.
    Column("id", BigInteger, Identity(always=True), nullable=False),
    # No foreign key: whoever writes a row here holds its job's, and a trigger lets it go with the job.
    Column("job_id", BigInteger, primary_key=True, autoincrement=False),
    Column("step_number", SmallInteger, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    # Of them those before the last retry, which are not held against a limit of the step's own.
    Column("forgiven", Integer, nullable=False, server_default=text("0")),
    # How often it has asked to be run later, since the last retry.
    Column("waits", Integer, nullable=False, server_default=text("0")),
    Column("progress", Numeric(4, 3, asdecimal=False), nullable=False, server_default=text("0")),
    Column("output", JSONB),
    Column("error", Text),
    Column("started_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    time_column("completed_at"),
    CheckConstraint(one_of("status", StepStatus), name="status"),
    CheckConstraint("progress BETWEEN 0 AND 1", name="progress"),
)

job_logs = Table(
    "job_logs",
    metadata,
    # What steps have logged, see `sql.logs`. It goes with its job, by a trigger.
    Column("job_id", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True),
    Column("last", Integer, primary_key=True),
    Column("step", SmallInteger, nullable=False),
    Column("length", Integer, nullable=False),
    now_column("at"),
    Column("lines", Text, nullable=False),
)

job_effects = Table(
    "job_effects",
    metadata,
    # What `context.once` has given, by the step's name, which keeps its meaning in another plan. It goes as logs do.
    Column("job_id", BigInteger, primary_key=True, autoincrement=False),
    Column("step", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("result", JSONB, nullable=False),
    now_column("at"),
)

job_events = Table(
    "job_events",
    metadata,
    Column("job_id", BigInteger, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    now_column("at"),
    Column("step", SmallInteger),
    # What the step of this number was called, written when the job gets another plan; NULL: see the present one.
    Column("step_name", Text),
    Column("attempt", Integer, nullable=False),
    Column("worker", Text),
    Column("message", Text),
    Column("error", Text),
    # The facts of the message, where its words are the application's own, see `causes`.
    Column("cause", JSONB),
    # Of what a client asked for: the name of its API key.
    Column("actor", Text),
    # The transaction that wrote it: the order in which rows become visible.
    Column("xid", XID8, nullable=False, server_default=text("pg_current_xact_id()")),
    Index("ix_job_events_written", "xid"),
)
