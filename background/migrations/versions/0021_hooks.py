"""What is called when a job has ended: each call is a job of its own, made by the statement that ends the first

Revision: 0021
"""

import sqlalchemy as sa
from alembic import op

from background.migrations import index_apart

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision. For jobs without hooks the trigger's condition is all, which each statement reads anew."""
    op.execute("ALTER TABLE jobs ADD COLUMN IF NOT EXISTS hooks jsonb, ADD COLUMN IF NOT EXISTS parent_id bigint")
    op.execute("""
        CREATE OR REPLACE FUNCTION call_hooks() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            told bigint;
        BEGIN
            IF OLD.status NOT IN ('PENDING', 'IN_PROGRESS')
                OR NEW.status NOT IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN
                RETURN NULL;
            END IF;
            WITH job AS (
                INSERT INTO jobs (task_id, pipeline, step_names, step_timeouts, params, priority, max_attempts, queue,
                                  parent_id, held)
                SELECT gen_random_uuid(), hook.pipeline, hook.step_names, hook.step_timeouts,
                    coalesce(hook.params, '{}') || jsonb_build_object(
                        'id', NEW.id, 'task_id', NEW.task_id, 'pipeline', NEW.pipeline, 'status', NEW.status,
                        'params', NEW.params, 'result', NEW.result, 'error', NEW.error, 'attempt', NEW.attempt,
                        'created_at', NEW.created_at, 'finished_at', NEW.finished_at),
                    NEW.priority, hook.max_attempts, hook.queue, NEW.id,
                    EXISTS (SELECT FROM job_controls WHERE kind = 'pipeline' AND name = hook.pipeline AND paused)
                        OR EXISTS (SELECT FROM job_controls WHERE kind = 'queue' AND name = hook.queue
                                   AND (concurrency IS NOT NULL OR rate_count IS NOT NULL))
                FROM jsonb_to_recordset(NEW.hooks) AS hook(
                    "on" text[], pipeline text, step_names text[], step_timeouts float8[], params jsonb,
                    max_attempts smallint, queue text)
                WHERE NEW.status = ANY (hook."on")
                RETURNING id, queue
            ), event AS (
                INSERT INTO job_events (job_id, number, kind, attempt) SELECT id, 1, 'created', 0 FROM job
            )
            SELECT count(pg_notify('jobs_enqueued', queue)) INTO told FROM job;
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE OR REPLACE TRIGGER call_hooks AFTER UPDATE OF status ON jobs FOR EACH ROW
        WHEN (NEW.hooks IS NOT NULL) EXECUTE FUNCTION call_hooks()
    """)
    index_apart("ix_jobs_parent", "jobs", ["parent_id", "id"], where=sa.text("parent_id IS NOT NULL"))


def downgrade() -> None:
    """Take it back."""
    op.execute("DROP TRIGGER call_hooks ON jobs")
    op.execute("DROP FUNCTION call_hooks()")
    op.drop_index("ix_jobs_parent", "jobs")
    for name in ("hooks", "parent_id"):
        op.drop_column("jobs", name)
