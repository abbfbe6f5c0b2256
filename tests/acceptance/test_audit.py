"""The audit itself: each invariant is broken once by hand, and found to be."""

import pytest

from background.local.postgres import SUPERUSER
from tests.acceptance.chaos.audit import INVARIANTS
from tests.acceptance.chaos.stack import Stack

JOB = """INSERT INTO jobs (task_id, pipeline, step_names, params, max_attempts)
         VALUES (gen_random_uuid(), 'demo', '{one,two}', '{}', 3) RETURNING id"""
CLAIM = "UPDATE jobs SET status = 'IN_PROGRESS', attempt = attempt + 1, lease_until = now()"
END = "UPDATE jobs SET lease_until = NULL, status = "
BEGIN = """INSERT INTO job_steps (job_id, step_number, name, status, message, attempt)
           SELECT id, {}, 'a step', 'IN_PROGRESS', '', attempt FROM jobs"""
FINISH = "UPDATE job_steps SET status = 'COMPLETED' WHERE step_number = {}"
STEPS = [CLAIM, BEGIN.format(1), FINISH.format(1), BEGIN.format(2), FINISH.format(2)]
WHOLE = [*STEPS, f"{END} 'COMPLETED'"]
FIRST = "id = (SELECT min(id) FROM jobs)"
CALLED = """UPDATE jobs SET hooks = '[{"on": ["COMPLETED"], "pipeline": "callback_url", "step_names": ["deliver"],
                                       "max_attempts": 3, "queue": "celery"}]'"""

BROKEN = {
    "every accepted job exists": [*WHOLE, "DELETE FROM jobs"],
    "every job ends": STEPS,
    "a job ends once": [*WHOLE, f"{END} 'FAILED', failures = 3"],
    "only a retry leaves an ending": [*WHOLE, f"{END} 'PENDING'", CLAIM, f"{END} 'COMPLETED'"],
    "a step is COMPLETED once": [*STEPS, FINISH.format(1), f"{END} 'COMPLETED'"],
    "no step is written after the end": [*WHOLE, "UPDATE job_steps SET progress = 0.5"],
    "the attempt never falls": [*WHOLE[:-1], f"{END} 'COMPLETED', attempt = 0"],
    "COMPLETED means that all steps are": [*STEPS[:3], f"{END} 'COMPLETED'"],
    "a step begins after the one before it": [CLAIM, BEGIN.format(2), BEGIN.format(1), FINISH.format(1),
                                              FINISH.format(2), f"{END} 'COMPLETED'"],
    "only the last to claim a job works on its steps": [*STEPS[:-1], f"SET SESSION AUTHORIZATION {SUPERUSER}",
                                                        STEPS[-1], WHOLE[-1]],
    "FAILED means that the limit was reached": [*STEPS[:2], f"{END} 'FAILED'"],
    "a step is run by the function of its name": [
        *WHOLE, """UPDATE job_steps SET output = '{"ran": "another"}' WHERE step_number = 1"""],
    "a deploy costs no failure": [
        *WHOLE, "UPDATE jobs SET pipeline = 'same'", """INSERT INTO job_events (job_id, number, kind, attempt)
                                                        SELECT id, 9, 'step_failed', 1 FROM jobs"""],
    "what is asked for later is no failure": [
        *WHOLE[:-1], "UPDATE job_steps SET failures = 1", f"{END} 'COMPLETED', pipeline = 'odd'"],
    "nothing is CANCELLED unasked": [*STEPS[:2], f"{END} 'CANCELLED'"],
    "no more run at once than a limit allows": [JOB, f"{CLAIM} WHERE NOT {FIRST}", f"{CLAIM} WHERE {FIRST}",
                                                "UPDATE jobs SET pipeline = 'by_customer'"],
    "no more begin within a time than a rate allows": [*[CLAIM, f"{END} 'PENDING'"] * 3,
                                                       "UPDATE jobs SET pipeline = 'rated'"],
    "nothing begins while it is paused": [
        "INSERT INTO paused VALUES ('pipeline', 'demo', '-infinity', 'infinity')", CLAIM],
    "a due time makes one job": [
        JOB, """INSERT INTO schedules (name, job, every_seconds, timezone, catch_up, paused, anchor)
                VALUES ('a day', '{}', 86400, 'UTC', false, true, now() - interval '1 hour')""",
        "UPDATE jobs SET schedule_id = (SELECT id FROM schedules)"],
    "of a unique key one job at a time has not ended": [
        *WHOLE, JOB, f"{END} 'PENDING' WHERE {FIRST}", f"{END} 'COMPLETED'", "UPDATE jobs SET unique_key = 'a key'"],
    "an end calls each hook once": [CALLED, *WHOLE, "DELETE FROM jobs WHERE parent_id IS NOT NULL"],
    "an address is told of each end": [CALLED, *WHOLE],
    "what was rolled back never was": [*WHOLE, "INSERT INTO rolled_back SELECT task_id FROM jobs"],
}  # fmt: skip


def run(stack: Stack, statements: list[str]) -> int:
    """Make a job, then do this to it; gives its id."""
    connection = stack.connect()
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(JOB)
            ((job_id,),) = cursor.fetchall()
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()
    return int(job_id)


def test_a_job_that_keeps_all_its_promises(stack: Stack) -> None:
    job_id = run(stack, WHOLE)
    assert stack.violations(accepted=[job_id]) == []


@pytest.mark.parametrize("rule", INVARIANTS)
def test_what_breaks_an_invariant_is_found(stack: Stack, rule: str) -> None:
    job_id = run(stack, BROKEN[rule])
    assert (rule, job_id) in {(each.rule, each.job_id) for each in stack.violations(accepted=[job_id])}
