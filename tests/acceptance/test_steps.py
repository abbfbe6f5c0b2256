"""Steps as people write them: async, with a policy, asking to be run later, returning what JSON has not."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2 as httpx
import pytest

from background.local.postgres import EmbeddedPostgres
from background.local.valkey import EmbeddedValkey
from tests.acceptance.test_durability import kinds
from tests.acceptance.test_jobs import ended, submit
from tests.support import running_api, running_worker, wait_for

PIPELINES = {"PIPELINES": "tests.acceptance.odd_steps", "LEASE_SECONDS": "3"}
HERD = 300
POOLS = {"threads": ("--pool=threads", "--concurrency=2"), "prefork": ("--pool=prefork", "--concurrency=2")}


@pytest.fixture(scope="module")
def api(postgres: EmbeddedPostgres, valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """An API that has these pipelines."""
    with running_api(tmp_path_factory.mktemp("steps") / "api.log", env=PIPELINES) as client:
        yield client


class Left(NamedTuple):
    """Jobs that a worker has left in the middle of their steps: stopped as planned, or killed."""

    stopped: int
    herd: list[int]
    charged: int
    outside: Path


@pytest.fixture(scope="module")
def left(api: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Left:
    """What two workers have left, each in its way."""
    home = tmp_path_factory.mktemp("left")
    note, outside = home / "note", home / "outside"
    stopped = submit(api, **wait_step(60, note=str(note)), max_attempts=1)
    with running_worker(home / "stopped.log", *POOLS["threads"], env=PIPELINES):
        in_wait(api, stopped)
    assert note.read_text() == "left"
    assert "Traceback" not in (home / "stopped.log").read_text()
    assert api.post(f"/jobs/{stopped}/cancel").json()["status"] == "CANCELLED", "it waits, so nobody else begins it"
    charged = submit(api, pipeline="effects", params={"outside": str(outside), "how": "die"})
    jobs = [{"pipeline": "herd", "params": {"seconds": 10}} for _ in range(HERD)]
    herd = [each["job_id"] for each in api.post("/jobs/batch", json={"jobs": jobs}).json()]
    with running_worker(home / "killed.log", *POOLS["threads"], env=PIPELINES) as worker:
        in_wait(api, charged)
        wait_for(lambda: number(api, "IN_PROGRESS") >= HERD / 2, what="many that wait at once")
        worker.popen.send_signal(signal.SIGKILL)
        worker.popen.wait()
    return Left(stopped, herd, charged, outside)


def number(client: httpx.Client, status: str) -> int:
    """How many of the herd have it."""
    return int(client.get("/jobs/stats").json()["pipelines"]["herd"][status])


@pytest.fixture(scope="module", params=POOLS)
def worker(request: pytest.FixtureRequest, left: Left, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A worker of each pool, one after the other; gives its pool."""
    log = tmp_path_factory.mktemp("steps") / f"{request.param}.log"
    with running_worker(log, *POOLS[request.param], env=PIPELINES):
        yield request.param


def waiting(client: httpx.Client, job_id: int, code: str) -> dict[str, Any]:
    """The job once it waits for this."""

    def look() -> dict[str, Any] | None:
        job: dict[str, Any] = client.get(f"/jobs/{job_id}").json()
        return job if (job["waiting"] or {}).get("code") == code else None

    return wait_for(look, what=code)


def in_wait(client: httpx.Client, job_id: int) -> None:
    """Wait until its first step has reported."""
    wait_for(lambda: any(step["progress"] for step in client.get(f"/jobs/{job_id}").json()["steps"]), what="a report")


def wait_step(seconds: float = 0, **params: Any) -> dict[str, Any]:
    """A job whose first step is async."""
    return {"pipeline": "waits", "params": {"seconds": seconds, **params}}


def test_what_a_worker_has_left_goes_on_or_ends(api: httpx.Client, worker: str, left: Left) -> None:
    assert kinds(ended(api, left.stopped)) == ["created", "started", "handed_back", "cancelled"]
    wait_for(lambda: number(api, "COMPLETED") == len(left.herd), seconds=90, what="the end of the herd")
    assert ended(api, left.charged)["status"] == "COMPLETED"
    assert left.outside.read_text().splitlines() == [f"job-{left.charged}-step-{step}" for step in (1, 2)], "once each"


def test_an_async_step_times_out(api: httpx.Client, worker: str, tmp_path: Path) -> None:
    job = ended(api, submit(api, pipeline="late", params={"note": str(tmp_path / "note")}))
    assert (job["status"], job["error"]) == ("FAILED", "TimedOut: Step 1 took longer than the 1 s it may take.")
    assert (tmp_path / "note").exists()


def test_async_and_plain_steps_follow_each_other(api: httpx.Client, worker: str) -> None:
    job_ids = [submit(api, **wait_step(0.1)) for _ in range(5)]
    for job_id in job_ids:
        job = ended(api, job_id)
        assert (job["status"], job["result"]) == ("COMPLETED", {"price": "1.10", "doubled": "2.20"})
        assert [step["output"] for step in job["steps"]][:2] == ["1.10", "2.20"]
        # Where it holds no slot, it needs one for its plain step.
        assert job["attempt"] == (2 if worker == "threads" else 1)


def test_an_async_step_is_cancelled_where_it_waits(api: httpx.Client, worker: str, tmp_path: Path) -> None:
    job_id = submit(api, **wait_step(60, note=str(tmp_path / "note")))
    in_wait(api, job_id)
    assert api.post(f"/jobs/{job_id}/cancel").status_code == 202
    assert ended(api, job_id)["status"] == "CANCELLED"
    wait_for((tmp_path / "note").exists, what="the end of the step")


def test_an_async_step_that_blocks_is_named_and_holds_up_no_newcomer(
    api: httpx.Client, worker: str, tmp_path: Path
) -> None:
    let_go = tmp_path / "let go"
    try:
        held = submit(api, pipeline="held") if worker == "threads" else None
        if held is not None:
            in_wait(api, held)
        job_id = submit(api, pipeline="blocking", params={"until": str(let_go)}, max_attempts=1)

        def told() -> Any:
            lines = api.get(f"/jobs/{job_id}/logs").json()
            return next((each for each in lines if "Step 1 blocks the event loop" in each["message"]), None)

        line = wait_for(told, what="a line that says so")
        assert "time.sleep(0.05)" in line["message"], "and where"
        assert ended(api, submit(api, **wait_step()))["status"] == "COMPLETED", "in another loop"
        job = ended(api, job_id)
        assert job["status"] == "FAILED"
        assert job["error"].startswith("TimedOut: Step 1 took longer than the 7 s it may take.")
        if held is not None:
            assert job["error"].endswith("It is async, and blocks its event loop.")
            assert "time.sleep(0.05)" in job["steps"][0]["error"]
            job = ended(api, held)
            assert (job["status"], kinds(job)[-3:]) == ("COMPLETED", ["handed_back", "started", "completed"])
            (handed_back,) = [each for each in job["events"] if each["kind"] == "handed_back"]
            assert handed_back["message"].endswith(f"step 1 of job {job_id} blocks the event loop of its worker")
    finally:
        let_go.touch()
    assert ended(api, submit(api, **wait_step()))["status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("how", "error"), [("exit", "SystemExit: 3"), ("sleep", "RuntimeError: context.sleep would hold up every async")]
)
def test_what_an_async_step_raises_is_its_failure(api: httpx.Client, worker: str, how: str, error: str) -> None:
    job = ended(api, submit(api, **wait_step(how=how), max_attempts=1))
    assert job["status"] == "FAILED"
    assert job["error"].startswith(error)
    assert ended(api, submit(api, **wait_step()))["status"] == "COMPLETED", "the loop goes on"


def test_a_step_has_a_limit_of_its_own_and_names_what_is_tried_again(api: httpx.Client, worker: str) -> None:
    job = ended(api, submit(api, pipeline="picky", params={"times": 2}, max_attempts=2))
    assert (job["status"], job["attempt"], job["steps"][0]["output"]) == ("COMPLETED", 4, 2)
    job = ended(api, submit(api, pipeline="picky", params={"times": 99}, max_attempts=1))
    assert (job["status"], job["attempt"], job["error"]) == ("FAILED", 3, "Unsteady: again")
    assert api.post(f"/jobs/{job['id']}/retry").status_code == 202
    assert ended(api, job["id"])["attempt"] == 6, "a retry counts anew"
    for how, error in (("other", "KeyError: 'other'"), ("never", "NoRetry: never")):
        job = ended(api, submit(api, pipeline="picky", params={"times": 1, "how": how}))
        assert (job["status"], job["attempt"], job["error"]) == ("FAILED", 1, error)


def test_a_step_that_asks_to_be_run_later_has_not_failed(api: httpx.Client, worker: str) -> None:
    job = ended(api, submit(api, pipeline="picky", params={"times": 2, "how": "later"}, max_attempts=2))
    assert (job["status"], job["attempt"], job["steps"][0]["output"]) == ("COMPLETED", 4, 0)
    assert kinds(job)[:3] == ["created", "started", "retry_later"]
    job = ended(api, submit(api, pipeline="picky", params={"times": 9, "how": "later"}))
    assert (job["status"], job["attempt"]) == ("FAILED", 3)
    assert job["error"] == "NoRetry: It has raised RetryLater 2 times, as often as it may; last: 429"
    assert job["cause"] == {"code": "waited_too_often", "times": 2, "error": "429"}
    job = ended(api, submit(api, pipeline="picky", params={"times": 9, "how": "before"}))
    assert (job["status"], job["error"][:24]) == ("FAILED", "ValueError: RetryLater t")


def test_what_waits_for_a_step_that_asked_says_so(api: httpx.Client, worker: str) -> None:
    job_id = submit(api, pipeline="picky", params={"times": 1, "how": "much later"})
    job = waiting(api, job_id, "retry_later")
    assert job["waiting"]["reason"] == "429: Retry-After 600"
    assert job["waiting_for"].startswith("Its step has asked to be run again in ")
    assert (job["error"], job["steps"][0]["message"]) == (None, "To be run again later: 429: Retry-After 600")
    assert [each["reason"] for each in job["events"]][-1] == "429: Retry-After 600"
    assert {each["reason"] for each in job["events"][:-1]} == {None}
    assert job["events"][-1]["cause"] == {"code": "retry_later", "reason": "429: Retry-After 600"}
    assert api.post(f"/jobs/{job_id}/cancel").json()["status"] == "CANCELLED"


def test_what_pauses_after_an_error_of_a_step_with_its_own_limit_says_so(api: httpx.Client, worker: str) -> None:
    job_id = submit(api, pipeline="patient")
    job = waiting(api, job_id, "pausing")
    assert job["waiting"]["error"] == job["error"] == "Unsteady: busy"
    assert api.post(f"/jobs/{job_id}/cancel").json()["status"] == "CANCELLED"
    api.post(f"/jobs/{job_id}/retry")
    assert waiting(api, job_id, "pausing")["attempt"] == 2
    assert api.post(f"/jobs/{job_id}/cancel").json()["status"] == "CANCELLED"


def logged(client: httpx.Client, job_id: int, **query: Any) -> list[dict[str, Any]]:
    """What its steps have logged."""
    lines: list[dict[str, Any]] = client.get(f"/jobs/{job_id}/logs", params=query).json()
    return lines


def test_what_steps_log_is_kept_with_their_attempts(api: httpx.Client, worker: str) -> None:
    job_id = submit(api, pipeline="loud")
    assert ended(api, job_id)["status"] == "COMPLETED"
    wait_for(lambda: any(line["message"] == "from afar" for line in logged(api, job_id)), what="the last line")
    lines = logged(api, job_id)
    first = [line for line in lines if line["attempt"] == 1]
    assert [line["level"] for line in first] == ["WARNING", "INFO", "INFO", "INFO", "INFO", "ERROR"]
    assert first[0]["message"] == "first\x1b[31m\nand \\x00 more"
    assert first[1]["message"] == "x" * 4000 + "… [9996000 characters left out]"
    assert [line["message"] for line in first[2:5]] == ["line 0", "line 1", "line 2"]
    assert first[5]["message"].startswith("caught\nTraceback")
    assert [(line["attempt"], line["step"]) for line in lines[6:]] == [(2, 1)] * 6 + [(2, 2)]
    assert [line["id"] for line in lines] == sorted({line["id"] for line in lines})
    assert sorted(line["at"] for line in first) == [line["at"] for line in first]
    assert logged(api, job_id, step=2) == lines[-1:]
    assert logged(api, job_id, attempt=1) == first
    assert logged(api, job_id, after=lines[3]["id"]) == lines[4:]
    page = api.get(f"/jobs/{job_id}/logs", params={"limit": 2})
    assert page.json() == lines[:2]
    assert api.get(page.links["next"]["url"]).json() == lines[2:4]


def test_of_many_lines_the_newest_are_kept_live(api: httpx.Client, worker: str) -> None:
    job_id = submit(api, pipeline="loud", params={"lines": 5000, "seconds": 60})

    def look() -> list[dict[str, Any]]:
        lines = logged(api, job_id, limit=5000)
        return lines if lines and lines[-1]["level"] == "ERROR" else []

    lines = wait_for(look, what="the lines of a step that runs")
    assert api.get(f"/jobs/{job_id}").json()["status"] == "IN_PROGRESS"
    assert 1000 < len(lines) <= 2001
    assert lines[0]["message"] == f"[{5003 - len(lines) + 1:,} earlier lines of this attempt are left out]"
    assert lines[-2]["message"] == "line 4999"
    assert api.post(f"/jobs/{job_id}/cancel").status_code == 202
    ended(api, job_id)
    assert api.delete(f"/jobs/{job_id}").status_code == 204
    assert api.get(f"/jobs/{job_id}/logs").status_code == 404


def test_an_effect_is_had_once(api: httpx.Client, worker: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    job = ended(api, submit(api, pipeline="effects", params={"outside": str(outside)}))
    assert (job["status"], job["steps"][0]["output"], job["result"]) == ("COMPLETED", "1.50 None", "1.10")
    assert outside.read_text().splitlines() == [f"job-{job['id']}-step-1", f"job-{job['id']}-step-2"]
    api.post(f"/jobs/{job['id']}/retry", json={"from_step": 1})
    assert ended(api, job["id"])["status"] == "COMPLETED"
    assert len(outside.read_text().splitlines()) == 2, "nor when it is asked to run again"


def test_an_effect_that_cannot_be_recorded_is_not_had_again(api: httpx.Client, worker: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.touch()
    for how, error, had in (
        ("nameless", "NoRetry: once takes a name of 1 to 100 printable characters; '' is not.", 0),
        ("odd", "NoRetry: What once('charge') gave cannot be stored, and it has happened. ", 1),
    ):
        job = ended(api, submit(api, pipeline="effects", params={"outside": str(outside), "how": how}))
        assert (job["status"], job["attempt"]) == ("FAILED", 1)
        assert job["error"].startswith(error)
        assert len(outside.read_text().splitlines()) == had
