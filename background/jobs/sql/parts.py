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
