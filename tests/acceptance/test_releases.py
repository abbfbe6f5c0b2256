"""Code that changes under waiting and running jobs: a step is its name, and what no worker can run waits."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import redis

from background.broker.queues import queue_length
from background.celery import queue_of
from background.jobs import registry
from background.local.postgres import EmbeddedPostgres
from background.local.valkey import EmbeddedValkey
from tests.acceptance.releases import FIRST, SECOND, SHOP
from tests.acceptance.test_bad_input import assert_problem
from tests.acceptance.test_jobs import ended, submit
from tests.conftest import PASSWORD
from tests.support import Process, running_api, running_worker, wait_for

pytestmark = pytest.mark.timeout(120)
Json = dict[str, Any]
FOR_EVER = -1
"""What Redis calls the time that a key without a limit has left."""
LEASE = {"LEASE_SECONDS": "3"}
ORDER = {"pipeline": "order", "params": {"amount": 50}}


class Fleet:
    """Workers of releases, on the servers of the test run."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._exit = ExitStack()
        self._starts = 0

    def __enter__(self) -> "Fleet":
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def api(self, release: str, **more: str) -> httpx.Client:
        """The API of this release, with more in its environment."""
        self._starts += 1
        log = self._directory / f"api{self._starts}.log"
        return self._exit.enter_context(running_api(log, env={**LEASE, "PIPELINES": release, **more}))

    def worker(self, release: str, *options: str, **more: str) -> Process:
        """A worker of this release, with more in its environment."""
        self._starts += 1
        log = self._directory / f"worker{self._starts}.log"
        return self._exit.enter_context(running_worker(log, *options, env={**LEASE, "PIPELINES": release, **more}))


@pytest.fixture
def fleet(postgres: EmbeddedPostgres, valkey: EmbeddedValkey, tmp_path: Path) -> Iterator[Fleet]:
    """No process yet."""
    with Fleet(tmp_path) as started:
        yield started


def job(client: httpx.Client, job_id: int) -> Json:
    """The job as it is now."""
    found: Json = client.get(f"/jobs/{job_id}").json()
    return found


def ran(found: Json) -> list[tuple[str, str]]:
    """Each step's name and the function that ran under it."""
    return [(step["name"], step["output"]["ran"]) for step in found["steps"]]


def assert_waits(client: httpx.Client, job_id: int, **facts: Any) -> None:
    """The job waits and says why, at no cost, and nothing goes to and fro in the broker."""
    wait_for(lambda: (job(client, job_id)["waiting"] or {}).get("code") == facts["code"], what="the reason")
    wait_for(lambda: queue_length() == 0, what="the worker's look at the message")
    found = job(client, job_id)
    assert {**found["waiting"], **facts} == found["waiting"]
    assert (found["status"], found["attempt"], found["error"]) == ("PENDING", 0, None)
    assert [event["kind"] for event in found["events"]] == ["created"]


STEPS = {
    "same": ["take", "make", "send"],
    "inserted": ["take", "make", "send"],
    "reordered": ["take", "make", "send"],
    "removed": ["take", "check", "send"],
    "renamed": ["take", "make", "send"],
}


def test_a_job_goes_on_under_the_next_release_by_the_names_of_its_steps(fleet: Fleet) -> None:
    client = fleet.api(FIRST)
    first = fleet.worker(FIRST)
    jobs = {name: submit(client, pipeline=name, params={"seconds": 1.0}) for name in STEPS}
    wait_for(lambda: all(job(client, each)["steps"] for each in list(jobs.values())[:2]), what="two first steps")
    first.stop()
    fleet.worker(SECOND)
    for name in ("same", "inserted", "reordered"):
        found = ended(client, jobs[name])
        assert (found["status"], found["error"]) == ("COMPLETED", None)
        assert ran(found) == [(step, step) for step in STEPS[name]]
        assert [step["output"]["seen"] for step in found["steps"]][1:] == [["take"], ["make", "take"]]
    for name, step in (("removed", "check"), ("renamed", "make")):
        wanted = {"code": "no_worker_has_step", "pipeline": name, "step": step}
        wait_for(lambda name=name, wanted=wanted: job(client, jobs[name])["waiting"] == wanted, what=f"{name} waits")  # type: ignore[misc]
    fleet.worker(FIRST)
    for name in ("removed", "renamed"):
        found = ended(client, jobs[name])
        assert (found["status"], ran(found)) == ("COMPLETED", [(step, step) for step in STEPS[name]])
        assert not [event for event in found["events"] if event["kind"] in ("failed", "step_failed", "lost")]


def test_what_no_worker_has_waits_and_is_sent_to_the_one_that_has_it(fleet: Fleet) -> None:
    client = fleet.api(SECOND)
    fleet.worker(FIRST)
    job_ids = [submit(client, pipeline="added") for _ in range(20)]
    for job_id in job_ids:
        assert_waits(client, job_id, code="no_worker_has_pipeline", pipeline="added")
    assert job(client, job_ids[0])["waiting_for"] == "No live worker has the pipeline added."
    fleet.worker(SECOND)
    later = [submit(client, pipeline="added") for _ in range(20)]
    assert [ended(client, each)["attempt"] for each in (*job_ids, *later)] == [1] * 40


def test_parameters_that_do_not_fit_any_more_wait_for_the_release_that_takes_them(fleet: Fleet) -> None:
    client = fleet.api(FIRST)
    second = fleet.worker(SECOND)
    lacking = submit(client, pipeline="demanding")
    too_many = submit(client, pipeline="stricter", params={"note": "by hand"})
    upgraded = submit(client, pipeline="upgraded", params={"amount": 3})
    assert_waits(client, lacking, code="params_refused", pipeline="demanding", error="customer: Field required")
    assert_waits(client, too_many, code="params_refused", error="note: Extra inputs are not permitted")
    assert ended(client, upgraded)["status"] == "COMPLETED"
    assert job(client, upgraded)["params"] == {"seconds": 0.0, "amount": 3}
    assert "Traceback" not in second.output
    fleet.worker(FIRST)
    for job_id in (lacking, too_many):
        assert [step["output"]["release"] for step in ended(client, job_id)["steps"]] == ["first"] * 3


@pytest.mark.parametrize("beside", [True, False])
def test_what_was_refused_is_tried_again_by_whoever_starts_though_its_code_is_the_same(
    fleet: Fleet, beside: bool
) -> None:
    client = fleet.api(SHOP)
    first = fleet.worker(SHOP, SHOP="10")
    jobs = [submit(client, pipeline="order", params={"amount": 50}) for _ in range(3)]
    for each in jobs:
        assert_waits(client, each, code="params_refused", pipeline="order", error="amount: more than 10")
    if beside:
        fleet.worker(SHOP, SHOP="100")
        first.stop()
    else:
        first.stop()
        fleet.worker(SHOP, SHOP="100")
    for each in jobs:
        found = ended(client, each)
        assert (found["status"], found["attempt"], found["result"]) == ("COMPLETED", 1, 50)


def test_parameters_that_stop_fitting_in_the_middle_of_a_job_cost_nothing(fleet: Fleet) -> None:
    client = fleet.api(SHOP)
    first = fleet.worker(SHOP, SHOP="100")
    job_id = submit(client, pipeline="order", params={"amount": 50, "seconds": 30}, max_attempts=1)
    wait_for(lambda: job(client, job_id)["steps"], what="the first step")
    fleet.worker(SHOP, SHOP="10")
    first.stop()
    wait_for(lambda: (job(client, job_id)["waiting"] or {}).get("code") == "params_refused", what="the refusal")
    found = job(client, job_id)
    assert (found["status"], found["attempt"], found["error"]) == ("PENDING", 1, None)
    assert [event["kind"] for event in found["events"]] == ["created", "started", "handed_back"]


def test_an_upgrade_is_made_once_for_all_steps(fleet: Fleet) -> None:
    old = fleet.api(SHOP, SHOP="old")
    job_id = submit(old, pipeline="payment", params={"item": {"price": 1}})
    fleet.worker(SHOP)
    found = ended(old, job_id)
    assert [step["output"] for step in found["steps"]] == [100, 100, 100]
    assert found["params"] == {"item": {"price": 1}}


@pytest.mark.parametrize("error", ["KeyError", "SystemExit"])
@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_a_validator_may_raise_anything(fleet: Fleet, pool: str, error: str) -> None:
    client = fleet.api(SHOP)
    worker = fleet.worker(SHOP, f"--pool={pool}", "--concurrency=1", SHOP=error)
    job_id = submit(client, pipeline="order", params={"amount": 50})
    said = f"{error}: " + ("'no luck'" if error == "KeyError" else "no luck")
    assert_waits(client, job_id, code="params_refused", pipeline="order", error=said)
    assert "Traceback" not in worker.output
    assert worker.popen.poll() is None


def test_a_validator_of_the_api_may_raise_anything(fleet: Fleet) -> None:
    for error in ("KeyError", "SystemExit"):
        client = fleet.api(SHOP, SHOP=error)
        for path, body, where in (
            ("/jobs", ORDER, ["body", "params"]),
            ("/jobs/batch", {"jobs": [ORDER]}, ["body", "jobs", 0, "params"]),
        ):
            refused = assert_problem(client.post(path, json=body), 422)
            assert (refused["code"], refused["errors"][0]["loc"]) == ("params_refused", where)
            assert refused["values"]["error"].startswith(f"{error}: ")
        assert client.get("/").status_code == 200


def test_a_retry_may_take_the_plan_of_today(fleet: Fleet) -> None:
    old, new = fleet.api(FIRST), fleet.api(SECOND)
    first = fleet.worker(FIRST)
    job_id, other = (submit(old, pipeline=name, params={"seconds": 1.0}) for name in ("inserted", "demanding"))
    for each in (job_id, other):
        wait_for(lambda each=each: len(job(old, each)["steps"]) == 2, what="step 2")  # type: ignore[misc]
        old.post(f"/jobs/{each}/cancel")
    assert [ended(old, each)["status"] for each in (job_id, other)] == ["CANCELLED"] * 2
    done = [step["name"] for step in job(old, job_id)["steps"] if step["status"] == "COMPLETED"]
    first.stop()
    fleet.worker(SECOND)
    refused = assert_problem(new.post(f"/jobs/{other}/retry", json={"replan": True}), 422)
    assert (refused["code"], refused["errors"][0]["loc"]) == ("params_refused", ["body", "params"])
    assert job(old, other)["status"] == "CANCELLED"
    assert new.post(f"/jobs/{job_id}/retry", json={"replan": True}).status_code == 202
    found = ended(new, job_id)
    assert (found["status"], ran(found)) == ("COMPLETED", [(each, each) for each in ("take", "check", "make", "send")])
    kept = {step["name"]: step["output"]["release"] for step in found["steps"]}
    assert kept == {name: "first" if name in done else "second" for name in kept}
    assert [step["message"] for step in found["steps"]] == [f"Step {k} completed successfully" for k in range(1, 5)]
    named = {(event["attempt"], event["step_name"]) for event in found["events"] if event["step"]}
    assert {name for attempt, name in named if attempt == 1} == {"take", "make"}
    assert {name for attempt, name in named if attempt == 2} >= {"check", "send"}
    keys = {step["name"]: step["output"]["key"] for step in found["steps"]}
    assert keys == {
        name: f"job-{job_id}-step-{at}" for name, at in zip(("take", "make", "send", "check"), range(1, 5), strict=True)
    }
    again = assert_problem(new.post(f"/jobs/{job_id}/retry", json={"replan": True}), 409)
    assert again["values"]["why"] == "name_step"


def test_the_releases_of_workers_are_shown(fleet: Fleet) -> None:
    client = fleet.api(SECOND)
    fleet.worker(FIRST)
    fleet.worker(SECOND)

    def shown() -> dict[str, Json] | None:
        found = {each["name"]: each for each in client.get("/pipelines").json()}
        return found if len(found["same"]["workers"]) == 2 else None

    pipelines = wait_for(shown, what="both workers")
    assert {name: each["drift"] for name, each in pipelines.items()} == {name: name != "same" for name in pipelines}
    steps = sorted(each["steps"] for each in pipelines["inserted"]["workers"])
    assert steps == [["take", "check", "make", "send"], ["take", "make", "send"]]
    assert sorted(each["steps"] or [] for each in pipelines["added"]["workers"]) == [[], ["take", "make", "send"]]
    workers = [each for each in client.get("/workers").json() if each["status"] == "alive"]
    assert len({each["release"] for each in workers}) == 2
    assert {"retired" in each["pipelines"] for each in workers} == {True, False}
    assert not any(each["built_in"] for each in pipelines.values())


def release_with(client: httpx.Client, pipeline: str) -> str:
    """The release of the workers that have this pipeline, once there is one."""
    found: list[str] = wait_for(
        lambda: [each["release"] for each in client.get("/workers").json() if pipeline in each["pipelines"]],
        what=f"a worker with {pipeline}",
    )
    return found[0]


def test_a_queue_of_a_release_that_is_gone_is_emptied(fleet: Fleet) -> None:
    client = fleet.api(SECOND)
    fleet.worker(FIRST)
    second = fleet.worker(SECOND)
    release = release_with(client, "added")
    jobs = [submit(client, pipeline="added", params={"seconds": 0.5}) for _ in range(30)]
    queue = queue_of(release).name
    wait_for(lambda: queue_length(queue), what="messages for the second release")
    second.kill()
    wait_for(lambda: not queue_length(queue), what="its queue, empty")
    fleet.worker(SECOND)
    assert {ended(client, each)["status"] for each in jobs} == {"COMPLETED"}


def test_a_release_leaves_nothing_in_redis_for_ever(fleet: Fleet, valkey: EmbeddedValkey) -> None:
    """No binding, and its queue goes by itself: messages of jobs that were cancelled there are nobody's any more."""
    client = fleet.api(SECOND)
    fleet.worker(FIRST)
    second = fleet.worker(SECOND)
    release = release_with(client, "added")
    jobs = [submit(client, pipeline="added", params={"seconds": 0.5}) for _ in range(30)]
    queue = queue_of(release).name
    with redis.Redis(port=valkey.port, password=PASSWORD, decode_responses=True, encoding_errors="replace") as asked:
        lists = wait_for(lambda: asked.keys(f"{queue}*"), what="messages for the second release")
        assert all(asked.ttl(each) != FOR_EVER for each in lists)
        bindings = [each for key in asked.keys("_kombu.binding*celery") for each in asked.smembers(key)]
        assert not [each for each in bindings if release in each]
        for each in jobs:
            client.post(f"/jobs/{each}/cancel")
        second.kill()
        assert {ended(client, each)["status"] for each in jobs} <= {"CANCELLED", "COMPLETED"}
        assert all(asked.ttl(each) != FOR_EVER for each in asked.keys(f"{queue}*"))


def test_this_release_is_a_digest_of_its_pipelines() -> None:
    assert list(registry.abilities()) == ["demo", "document", "callback_url"]
    assert len(registry.release()) == 12
