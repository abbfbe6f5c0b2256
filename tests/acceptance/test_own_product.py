"""Our application in parts, and within somebody else's."""

import sys
from collections.abc import Iterator

import httpx2 as httpx
import pytest
from fastapi import FastAPI

from background.app import create_app
from tests.support import Process, free_port, wait_for

PROBLEM = "application/problem+json"
USER = {"X-User": "anna"}


def paths(app: FastAPI) -> set[str]:
    """What it answers, by its OpenAPI document."""
    return set(app.openapi()["paths"])


@pytest.mark.parametrize(
    ("left_out", "gone"),
    [
        ("jobs", {"/jobs", "/jobs/{job_id}", "/jobs/{job_id}/events", "/events", "/pipelines"}),
        ("canvas", {"/canvas", "/chord", "/runs", "/result/{task_id}", "/documents/report"}),
        ("documents", {"/documents", "/documents/report", "/reports/{name}"}),
    ],
)
def test_a_part_that_is_left_out_is_not_there(left_out: str, gone: set[str]) -> None:
    whole, part = paths(create_app()), paths(create_app(**{left_out: False}))
    assert gone <= whole
    assert not gone & part
    assert {"/", "/ready", "/workers"} <= part


@pytest.fixture(scope="module")
def product(client: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Process]]:
    """The application of `own_product`, under a server of its own."""
    port = free_port()
    argv = [sys.executable, "-m", "uvicorn", "tests.acceptance.own_product:app", "--port", str(port)]
    process = Process(argv, log=tmp_path_factory.mktemp("product") / "product.log")
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as own:
            process.wait_for_line("Uvicorn running")
            yield own, process
    finally:
        process.kill()


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(("prefix", "headers"), [("/mounted", {}), ("/durable", USER)])
def test_a_job_runs_within_somebody_elses_application(
    product: tuple[httpx.Client, Process], prefix: str, headers: dict[str, str]
) -> None:
    own, _ = product
    made = own.post(f"{prefix}/jobs", json={"params": {"step_seconds": 0}}, headers=headers)
    assert made.status_code == 201
    job = made.headers["Location"]
    assert job == f"{prefix}/jobs/{made.json()['job_id']}"
    with own.stream("GET", f"{job}/events", headers=headers) as stream:
        assert "event: completed" in "".join(stream.iter_text())
    assert own.get(job, headers=headers).json()["status"] == "COMPLETED"


def test_what_is_its_own_stays_as_it_is(product: tuple[httpx.Client, Process]) -> None:
    own, _ = product
    assert own.get("/orders/7").json() == {"number": 7}
    assert own.get("/orders/seven").json()["detail"][0]["loc"] == ["path", "number"]
    assert own.get("/nowhere").json() == {"detail": "Not Found"}
    assert own.get("/durable/jobs").json() == {"detail": "Who are you?"}
    missing = own.get("/durable/jobs/999999999", headers=USER)
    assert (missing.status_code, missing.headers["content-type"]) == (404, PROBLEM)
    for refused in (
        own.post("/durable/jobs", json={"priority": 10}, headers=USER),
        own.get("/durable/jobs/seven/events", headers=USER),
    ):
        assert (refused.status_code, refused.headers["content-type"]) == (422, PROBLEM)
        assert refused.json()["errors"][0]["loc"][-1] in ("priority", "job_id")
    document = own.get("/openapi.json").json()
    assert {"/orders/{number}", "/durable/jobs", "/durable/chord"} <= set(document["paths"])
    assert "Problem" in document["components"]["schemas"]


def test_the_page_knows_the_parts_there_are(product: tuple[httpx.Client, Process]) -> None:
    own, _ = product
    assert "<html" in own.get("/durable/ui/").text
    assert own.get("/durable/ui/config.json").json()["parts"] == ["jobs", "canvas"]
    assert own.get("/mounted/ui/config.json").json()["parts"] == ["jobs"]
    assert create_app(page=False).url_path_for("alive") == "/"


def test_it_ends_with_an_open_stream(product: tuple[httpx.Client, Process]) -> None:
    own, process = product
    with own.stream("GET", "/durable/events", headers=USER) as stream, own.stream("GET", "/mounted/events") as other:
        texts = [each.iter_text() for each in (stream, other)]
        assert all("id:" in next(each) for each in texts)
        process.popen.terminate()
        assert all(list(each) is not None for each in texts)
    wait_for(lambda: process.popen.poll() is not None, what="its end")
