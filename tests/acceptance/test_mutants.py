"""Each safety of a job, taken away: one scenario that passes with it and is caught by the audit without it.

A mutant lives in `chaos/seams.py` and is switched on in the process before it starts.
"""

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from tests.acceptance.chaos.audit import Pause, Violation
from tests.acceptance.chaos.stack import LEASE_SECONDS, Stack
from tests.acceptance.chaos.steps import SECOND_QUEUE
from tests.acceptance.releases import FIRST, SECOND
from tests.acceptance.test_jobs import submit
from tests.support import wait_for

Scenario = Callable[[Stack, Sequence[str]], list[Violation]]
SOLO = ("--pool=solo",)
PROMISED_SECONDS = LEASE_SECONDS + 5
"""After a worker's death its job is to go on within so much."""

pytestmark = pytest.mark.timeout(120)


def zombie_writer(stack: Stack, seams: Sequence[str]) -> list[Violation]:
    """A worker sleeps through its lease in mid-step, and wakes up while another runs the job."""
    client = stack.add_api()
    stack.add_workers("solo", "solo2", seams=seams, options=SOLO)
    job_id = submit(client, params={"step_seconds": 2})
    zombie = stack.holder(job_id, attempt=1)
    zombie.signal(signal.SIGSTOP)
    assert stack.holder(job_id, attempt=2) is not zombie
    zombie.signal(signal.SIGCONT)
    stack.wait_all_ended(seconds=30)
    return stack.violations(accepted=[job_id])


def dead_child(stack: Stack, seams: Sequence[str]) -> list[Violation]:
    """A child of the pool dies in mid-step, and its parent lives on."""
    client = stack.add_api()
    (worker,) = stack.add_workers("prefork1", seams=seams)
    job_id = submit(client, params={"step_seconds": 0.5})
    stack.holder(job_id, attempt=1)
    for child in worker.children():
        os.kill(child.pid, signal.SIGKILL)
    stack.wait_all_ended(seconds=PROMISED_SECONDS + 5)
    return stack.violations(accepted=[job_id])


def respawned_worker(stack: Stack, seams: Sequence[str]) -> list[Violation]:
    """A worker dies in mid-step and comes back under its old node name."""
    client = stack.add_api()
    (worker,) = stack.add_workers("solo", seams=seams)
    job_id = submit(client, params={"step_seconds": 0.5})
    stack.holder(job_id, attempt=1)
    worker.kill()
    worker.start(new_name=False)
    stack.wait_all_ended(seconds=PROMISED_SECONDS + 10)
    assert {row[0] for row in stack.select("SELECT worker FROM jobs")} == {"solo@chaos"}
    return stack.violations(accepted=[job_id])


def emptied_queue(stack: Stack, seams: Sequence[str]) -> list[Violation]:
    """The messages of waiting jobs are lost."""
    client = stack.add_api()
    made = [submit(client, params={"step_seconds": 0}) for _ in range(20)]
    stack.flush()
    stack.add_workers("threads", seams=seams)
    stack.wait_all_ended(seconds=10)
    return stack.violations(accepted=made)


def outage(stack: Stack, seams: Sequence[str]) -> list[Violation]:
    """PostgreSQL is away for longer than a lease, and a healthy worker is the last to reach it again."""
    stack.lease_seconds = 8
    client = stack.add_api()
    stack.add_workers("solo", "solo2", seams=seams, options=SOLO)
    job_id = submit(client, params={"step_seconds": 60})
    worker = stack.holder(job_id, attempt=1)
    worker.postgres.freeze()
    ((lease_until,),) = stack.select("SELECT lease_until FROM jobs")
    stack.postgres.stop()
    wait_for(lambda: datetime.now(UTC) > lease_until, what="the end of the lease")
    stack.postgres.start()
    stack.postgres.wait_ready()
    with suppress(AssertionError):
        wait_for(lambda: losses(stack), seconds=3, what="a worker that jumps to conclusions")
    worker.postgres.thaw()
    renewed = "SELECT id FROM jobs WHERE lease_until > now()"
    wait_for(lambda: stack.select(renewed) or losses(stack), what="the lease, renewed")
    return losses(stack)


def deployed_in_mid_job(stack: Stack, seams: Sequence[str]) -> list[Violation]:
    """A release with a step inserted before the next one comes while the first step is under way."""
    client = stack.add_api()
    (worker,) = stack.add_workers("solo", seams=seams)
    job_id = submit(client, pipeline="inserted", params={"seconds": 2.0})
    stack.holder(job_id, attempt=1)
    worker.deploy(SECOND)
    stack.wait_all_ended(seconds=30)
    return stack.violations(accepted=[job_id])


def rolled_back(stack: Stack, seams: Sequence[str]) -> list[Violation]:
    """A release without the next step comes, and is taken back."""
    client = stack.add_api()
    (worker,) = stack.add_workers("solo", seams=seams)
    job_id = submit(client, pipeline="removed", params={"seconds": 2.0})
    stack.holder(job_id, attempt=1)
    worker.deploy(SECOND)
    noticed = (
        "SELECT 1 FROM jobs WHERE turned_away IS NOT NULL UNION SELECT 1 FROM job_events WHERE kind = 'step_failed'"
    )

    def is_noticed() -> bool:
        stack.tend()
        return bool(stack.select(noticed))

    wait_for(is_noticed, what="the missing step")
    worker.deploy(FIRST)
    stack.wait_all_ended(seconds=30)
    return stack.violations(accepted=[job_id])


def full_house(stack: Stack, seams: Sequence[str]) -> list[Violation]:
    """Jobs of which two may run at once, and a worker with room for more."""
    client = stack.add_api(seams=seams)
    made = [submit(client, pipeline="few", params={"seconds": 0.3}) for _ in range(6)]
    stack.add_workers("threads", seams=seams, options=("--pool=threads", "--concurrency=4"))
    stack.wait_all_ended(seconds=30)
    return stack.violations(accepted=made)


def paused(stack: Stack, seams: Sequence[str]) -> list[Violation]:
    """A job waits in a queue that is paused, and a worker starts; another one runs meanwhile."""
    client = stack.add_api()
    made = [submit(client, pipeline="elsewhere")]
    assert client.patch(f"/queues/{SECOND_QUEUE}", json={"paused": True}).is_success
    since = datetime.now(UTC)
    stack.add_workers("threads", seams=seams)
    made.append(submit(client, pipeline="odd"))
    wait_for(lambda: client.get(f"/jobs/{made[-1]}").json()["status"] == "COMPLETED", what="the end of the other")
    pause = Pause("queue", SECOND_QUEUE, since, datetime.now(UTC))
    assert client.patch(f"/queues/{SECOND_QUEUE}", json={"paused": False}).is_success
    stack.wait_all_ended(seconds=30)
    return stack.violations(accepted=made, paused=[pause])


def losses(stack: Stack) -> list[Violation]:
    """The jobs that were taken from their worker."""
    rows = stack.select("SELECT job_id FROM job_events WHERE kind = 'lost'")
    return [Violation("a healthy worker keeps its job", job_id, "it was taken") for (job_id,) in rows]


SCENARIOS = {
    "begin_while_paused": paused,
    "call_by_place": deployed_in_mid_job,
    "claim_what_it_lacks": rolled_back,
    "no_fence": zombie_writer,
    "node_heartbeat_only": dead_child,
    "node_name_as_identity": respawned_worker,
    "no_redispatch": emptied_queue,
    "permits_do_not_count": full_house,
    "reap_after_outage": outage,
}


@pytest.mark.parametrize(("mutant", "scenario"), SCENARIOS.items(), ids=SCENARIOS)
def test_a_mutant_is_caught(stack: Stack, mutant: str, scenario: Scenario) -> None:
    assert scenario(stack, [mutant])


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_what_runs_in_production_passes(stack: Stack, scenario: Scenario) -> None:
    assert scenario(stack, []) == []
