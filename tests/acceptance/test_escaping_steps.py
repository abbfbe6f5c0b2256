"""What a step raises that only the engine should, or forks and lets go on, ends as any other."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from background.local.postgres import EmbeddedPostgres
from background.local.valkey import EmbeddedValkey
from tests.acceptance.test_durability import kinds
from tests.acceptance.test_jobs import ended, submit
from tests.support import running_api, running_worker

PIPELINES = {"PIPELINES": "tests.acceptance.escaping_steps"}
CODES = {"return": 0, "raise": 1, "exit": 7}
"""The exit code of a child that leaves its step so."""
POOLS = {"threads": ("--pool=threads", "--concurrency=2"), "prefork": ("--concurrency=1",), "solo": ("--pool=solo",)}


@pytest.fixture(scope="module")
def api(postgres: EmbeddedPostgres, valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """An API that has these pipelines."""
    with running_api(tmp_path_factory.mktemp("escaping") / "api.log", env=PIPELINES) as client:
        yield client


@pytest.fixture(scope="module", params=POOLS)
def log(request: pytest.FixtureRequest, api: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A worker of each pool; gives its log."""
    log = tmp_path_factory.mktemp("escaping") / f"{request.param}.log"
    with running_worker(log, *POOLS[request.param], env=PIPELINES):
        yield log


@pytest.mark.parametrize("pipeline", ["raises", "raises_async"])
@pytest.mark.parametrize("name", ["NotOurs", "Cancelled", "TimedOut", "Bare"])
def test_what_only_the_engine_should_raise_is_a_failure(api: httpx.Client, log: Path, pipeline: str, name: str) -> None:
    job = ended(api, submit(api, pipeline=pipeline, params={"name": name}))
    assert (job["status"], kinds(job)) == ("FAILED", ["created", "started", "failed"])
    assert job["error"] == (
        name if name != "Bare" else "NoRetry: It has raised Bare, a RetryLater, without its seconds."
    )
    assert job["error"].partition(":")[0] in job["steps"][0]["error"], "with its traceback"


@pytest.mark.parametrize("leave", CODES)
@pytest.mark.parametrize("where", ["forks", "forks once", "forks_async", "forks_async once", "forks_async thread"])
def test_a_child_of_a_step_ends_with_it(api: httpx.Client, log: Path, where: str, leave: str) -> None:
    pipeline, _, within = where.partition(" ")
    job = ended(api, submit(api, pipeline=pipeline, params={"leave": leave, "within": within}))
    assert (job["status"], job["result"]) == ("COMPLETED", CODES[leave])
    assert kinds(job) == ["created", "started", "completed"]
    if leave == "raise":
        assert "ValueError: of the child" in log.read_text()


def test_a_child_that_waits_in_the_event_loop_ends(api: httpx.Client, log: Path) -> None:
    job = ended(api, submit(api, pipeline="forks_async", params={"within": "wait"}))
    assert (job["status"], kinds(job)) == ("COMPLETED", ["created", "started", "completed"])
    assert job["result"] >= 0
    assert ended(api, submit(api, pipeline="forks_async"))["status"] == "COMPLETED", "the loop of the worker goes on"


@pytest.mark.parametrize("pipeline", ["outlived", "outlived_async"])
def test_what_outlives_its_step_reports_for_no_other(api: httpx.Client, log: Path, pipeline: str) -> None:
    job = ended(api, submit(api, pipeline=pipeline))
    assert (job["status"], job["result"]) == ("COMPLETED", ["NotOurs"])
    assert kinds(job) == ["created", "started", "step_completed", "completed"]
    assert not any(each["message"] == "of an earlier step" for each in [*job["steps"], *job["events"]])
