"""A connection that breaks, or holds still, at the worst moment: right at a commit, or before a publish."""

import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2 as httpx
import pytest

from tests.acceptance.chaos.node import API
from tests.acceptance.chaos.proxy import Fate
from tests.acceptance.chaos.stack import LEASE_SECONDS, Stack
from tests.acceptance.test_durability import kinds
from tests.acceptance.test_jobs import ended, submit
from tests.support import wait_for

CLAIM = b"EXECUTE job_claim_seen "
FINISH = b"EXECUTE job_end "
FINISH_AND_CLAIM = b"EXECUTE job_end_and_claim "
LOOK = b"EXECUTE pass_with_canvas"


def finished(stack: Stack, client: httpx.Client, job_id: int) -> dict[str, Any]:
    """The job, which ends without any violation."""
    job = ended(client, job_id)
    assert stack.violations(accepted=[job_id]) == []
    assert job["status"] == "COMPLETED"
    return job


def test_a_job_whose_commit_is_lost_was_not_accepted_and_nobody_is_woken_for_it(stack: Stack) -> None:
    client = stack.add_api()
    lost = stack.nodes[API].postgres.lay_trap(Fate.LOSE, b"EXECUTE job_create ", b"COMMIT")
    assert client.post("/jobs").status_code == 503
    assert lost.is_set()
    assert stack.select("SELECT id FROM jobs") == []
    assert stack.messages() == 0


@pytest.mark.parametrize("fate", [Fate.LOSE, Fate.LOSE_ANSWER])
@pytest.mark.parametrize("statement", [CLAIM, FINISH, FINISH_AND_CLAIM])
def test_a_statement_that_is_lost_or_not_answered_is_asked_again(stack: Stack, statement: bytes, fate: Fate) -> None:
    client = stack.add_api()
    (worker,) = stack.add_workers("solo")
    sprung = worker.postgres.lay_trap(fate, statement)
    for _ in range(20):
        job = finished(stack, client, submit(client, params={"step_seconds": 0}))
        if sprung.is_set():  # where the machine is slow, a turn is over before the job, which then ends without a claim
            break
    assert sprung.is_set()
    assert job["attempt"] == 1
    assert kinds(job) == ["created", "started", "step_completed", "step_completed", "completed"]


def test_a_worker_that_falls_silent_while_it_writes_holds_nothing_up(stack: Stack) -> None:
    """Nobody closes the connection."""
    client = stack.add_api()
    stack.add_workers("solo", "solo2", options=("--pool=solo",))
    job_id = submit(client, params={"step_seconds": 1})
    silent = stack.holder(job_id, attempt=1)
    sprung = silent.postgres.lay_trap(Fate.FREEZE, FINISH)
    job = finished(stack, client, job_id)
    assert sprung.is_set()
    assert job["attempt"] == 2


def test_a_worker_that_falls_silent_while_it_looks_leaves_that_to_others(stack: Stack) -> None:
    """This one never comes back."""
    client = stack.add_api()
    stack.add_workers("solo", "solo2", options=("--pool=solo",))
    sprung = [worker.postgres.lay_trap(Fate.FREEZE, LOOK) for worker in stack.workers[:1]]
    wait_for(lambda: all(event.is_set() for event in sprung), what="the silence")
    job_id = submit(client, params={"step_seconds": 0}, delay_seconds=0.5)
    assert finished(stack, client, job_id)["worker"].startswith("solo2")


def test_a_job_is_run_though_the_api_died_before_it_could_publish(stack: Stack) -> None:
    client = stack.add_api()
    stack.site.die_file.touch()
    with pytest.raises(httpx.TransportError):
        client.post("/jobs", json={"params": {"step_seconds": 0}}, headers={"Idempotency-Key": "once"})
    assert stack.messages() == 0
    stack.nodes[API].start()
    stack.add_workers("threads")
    same = wait_for(lambda: resent(client), what="the API")
    finished(stack, client, same)
    assert stack.select("SELECT count(*) FROM jobs") == [(1,)]


def resent(client: httpx.Client) -> int | None:
    """The id that the same request gets once the API is back."""
    try:
        answer = client.post("/jobs", json={"params": {"step_seconds": 0}}, headers={"Idempotency-Key": "once"})
    except httpx.TransportError:
        return None
    assert answer.status_code == 200
    return int(answer.json()["job_id"])


def test_a_machine_that_slept_takes_no_job_from_a_healthy_worker(stack: Stack) -> None:
    """All leases have run out when it wakes up, and everybody is as healthy as before."""
    client = stack.add_api()
    workers = stack.add_workers(*(f"solo{number}" for number in range(4)), options=("--pool=solo",))
    job_id = submit(client, params={"step_seconds": 60})
    sleeper = stack.holder(job_id, attempt=1)
    steady = "SELECT id FROM jobs WHERE now() > started_at + %s * interval '1 second'"
    wait_for(lambda: stack.select(steady, LEASE_SECONDS + 2), what="workers that think that all is well")
    ((lease_until,),) = stack.select("SELECT lease_until FROM jobs")
    for worker in workers:
        worker.signal(signal.SIGSTOP)
    wait_for(lambda: datetime.now(UTC) > lease_until + timedelta(seconds=LEASE_SECONDS), what="the end of the lease")
    # Its own wakes up last, when the others have looked around.
    for worker in sorted(workers, key=lambda worker: worker is sleeper):
        worker.signal(signal.SIGCONT)
    wait_for(lambda: stack.select("SELECT id FROM jobs WHERE lease_until > now()"), what="the lease, renewed")
    assert stack.select("SELECT kind FROM job_events WHERE kind = 'lost'") == []
