"""Parts of statements on jobs that several have."""

IS_COMPLETED = """EXISTS (SELECT FROM job_steps
    WHERE job_id = jobs.id AND step_number = number AND job_steps.status = 'COMPLETED')"""
"""Whether the step of this `number` of a job is COMPLETED."""

FIRST_STEP = f"""
    (SELECT min(number) FROM generate_subscripts(step_names, 1) AS number WHERE NOT {IS_COMPLETED})
"""
"""The number of the first step of a job's plan that is not COMPLETED."""

HAS_STEP = "(CAST(:abilities AS jsonb) #> ARRAY[pipeline, 'steps'] @> to_jsonb(step_names[{step}]))"
"""Whether a worker with these `:abilities` (see `registry`) can run that step of a job. NULL is no."""

RUNNING_SECONDS = "greatest(0, extract(epoch FROM now() - claimed_at))"
"""For how long the present attempt of a job has run; 0 where the clock was set back since."""

LET_IN = "admitted_at IS NOT NULL"
"""Whether limits have ever let a job in: if it waits again, it is held until they do so again."""

TURNED_AWAY = """
    jsonb_build_object('error', CAST(:error AS text), 'refused_by', to_jsonb(ARRAY(
        SELECT crew FROM unnest(CAST(:crews AS text[])) AS crew
        WHERE crew = :refusing OR turned_away -> 'refused_by' ? crew)))
"""
"""What is remembered when a job's parameters are refused: which of the live crews have done so, and what was said."""

PERMIT = "coalesce(admitted_at > coalesce(claimed_at, '-infinity'), false)"
"""Whether a job that waits was admitted since it was claimed last."""

CONTROLS = """
controls AS MATERIALIZED (
    SELECT coalesce(array_agg(name) FILTER (WHERE kind = 'queue' AND paused), '{{}}') AS paused_queues,
        coalesce(array_agg(name) FILTER (WHERE kind = 'pipeline' AND paused), '{{}}') AS paused_pipelines,
        coalesce(array_agg(name) FILTER (WHERE kind = 'queue' AND (concurrency IS NOT NULL OR rate_count IS NOT NULL)),
                 '{{}}') AS limited_queues
    FROM job_controls
)
"""
"""What people have set, read once by a statement: each look of its own costs a claim as much as a row."""
_OF_CONTROLS = "CAST((SELECT {} FROM controls) AS text[])"

OF_QUEUES = "unnest(CAST(:queues AS text[])) AS served"
"""The queues of a worker, of which each is to be looked at if it `IS_OPEN`."""

IS_OPEN = f"{{queue}} <> ALL ({_OF_CONTROLS.format('paused_queues')})"
"""Whether a queue is not paused."""

MAY_BEGIN = f"""
    pipeline <> ALL ({_OF_CONTROLS.format("paused_pipelines")}) AND ({PERMIT}
        OR pipeline <> ALL (CAST(:limited AS text[])) AND queue <> ALL ({_OF_CONTROLS.format("limited_queues")}))
"""
"""Whether a job that is due may be claimed: its pipeline is not paused, and no limit is before it, or one let it in."""

STOPPED = """
    (EXISTS (SELECT FROM job_controls WHERE kind = 'pipeline' AND name = {pipeline} AND paused)
     OR EXISTS (SELECT FROM job_controls
                WHERE kind = 'queue' AND name = {queue} AND (concurrency IS NOT NULL OR rate_count IS NOT NULL)))
"""
"""Whether a job of this queue and pipeline is to be held, as far as people have set something.

A paused queue holds none: claims pass it by.
"""
