"""What a page of another origin may do in a developer's browser: nothing."""

import sys
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.acceptance.test_api_keys import KEYS, WRITE
from tests.acceptance.test_bad_input import assert_problem
from tests.support import Process, free_port, is_served, running_api, wait_for

EVIL = "http://evil.example"
FOREIGN = [
    {"Origin": EVIL},
    {"Origin": "null"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://["},
]


def newest(client: httpx.Client) -> list[tuple[int, str]]:
    """The newest job and its status: of one that waits, others may change, and what is said of it."""
    return [(job["id"], job["status"]) for job in client.get("/jobs", params={"limit": 1}).json()]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded", None])
def test_a_write_of_a_foreign_page_is_refused(client: httpx.Client, headers: dict[str, str], kind: str | None) -> None:
    sent = headers | ({"Content-Type": kind} if kind else {})
    before = newest(client)
    for method, path in (("POST", "/jobs"), ("POST", "/add"), ("DELETE", "/jobs/1"), ("POST", "/nothing")):
        answer = client.request(method, path, headers=sent, content=b"{}")
        assert_problem(answer, 403)
        assert answer.json()["code"] == "foreign_origin"
    assert newest(client) == before
    assert client.get("/jobs", headers=headers).status_code == 200


def test_our_own_page_and_programs_may_write(client: httpx.Client) -> None:
    own = f"http://127.0.0.1:{client.base_url.port}"
    for headers in ({}, {"Origin": own}, {"Sec-Fetch-Site": "same-origin", "Origin": own}, {"Sec-Fetch-Site": "none"}):
        job = client.post("/jobs", json={"delay_seconds": 3600}, headers=headers)
        assert job.status_code == 201, headers
        client.post(f"/jobs/{job.json()['job_id']}/cancel")


OWN = ["localhost", "localhost:8000", "LOCALHOST.", "[::1]:80", "jobs.localhost", "127.0.0.1"]
NOT_OURS = ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "[::1"]


@pytest.mark.parametrize(
    ("env", "answered", "refused"),
    [
        ({}, OWN, NOT_OURS),
        (
            {"ALLOWED_HOSTS": "jobs.example.com, *.shop.example"},
            [*OWN, "Jobs.example.com:81", "a.shop.example"],
            [*NOT_OURS, "example.com", "shop.example"],
        ),
        ({"ALLOWED_HOSTS": "*"}, NOT_OURS[:2], []),
        ({"API_HOST": "jobs.internal"}, ["jobs.internal"], NOT_OURS),
        ({"API_KEYS": KEYS}, NOT_OURS[:2], []),
        ({"API_KEYS": KEYS, "ALLOWED_HOSTS": "jobs.example.com"}, ["jobs.example.com"], NOT_OURS),
    ],
)
@pytest.mark.usefixtures("postgres", "valkey")
def test_names(tmp_path: Path, env: dict[str, str], answered: list[str], refused: list[str]) -> None:
    key = WRITE if "API_KEYS" in env else {}
    with running_api(tmp_path / "api.log", env=env) as client:
        for path in ("/jobs", "/ui/", "/"):
            for host in answered:
                assert client.get(path, headers={"Host": host} | key).status_code == 200, (path, host)
            for host in refused:
                answer = client.get(path, headers={"Host": host} | key)
                assert (answer.status_code, answer.json()["code"]) == (400, "foreign_host"), (path, host)


@pytest.mark.parametrize("value", ["http://a", "a:80", "a/b", ",", "a,,b", "a b"])
def test_names_that_cannot_be(value: str, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "background", "api"]
    process = Process(words, log=tmp_path / "api.log", env={"ALLOWED_HOSTS": value})
    assert process.popen.wait(30) == 1
    assert process.output.startswith("ALLOWED_HOSTS: ")
    assert process.output.count("\n") == 1


@pytest.mark.parametrize("how", ["background", "celery"])
@pytest.mark.parametrize("login", ["", "me:secret"])
def test_flower(valkey: object, tmp_path: Path, how: str, login: str) -> None:
    port = free_port()
    words = ["-m", "background", "flower"]
    if how == "celery":
        words = ["-m", "celery", "-A", "background.celery.celery_app", "flower", f"--port={port}"]
    env = {"FLOWER_PORT": str(port), "FLOWER_BASIC_AUTH": login}
    process = Process([sys.executable, *words], log=tmp_path / "flower.log", env=env)
    auth = ("me", "secret") if login else None
    try:
        wait_for(lambda: is_served(port), what="Flower")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=auth) as flower:
            assert flower.get("/workers").status_code == 200
            assert flower.get("/workers", headers={"Host": "evil.example"}).status_code == (200 if login else 400)
            assert flower.post("/api/worker/shutdown/x", headers={"Origin": EVIL}).status_code == 403
    finally:
        process.stop()


def test_every_answer_is_kept_to_itself(client: httpx.Client) -> None:
    job = client.post("/jobs", json={"delay_seconds": 3600}).json()["job_id"]
    client.post(f"/jobs/{job}/cancel")
    for path, kept in (
        ("/jobs", "no-store"),
        ("/", "no-store"),
        ("/nothing", "no-store"),
        ("/openapi.json", "no-store"),
        (f"/jobs/{job}/events", "no-store"),
        ("/documents/why-queues.txt", "private, no-cache"),
        ("/ui/", "no-cache"),
        ("/docs", "no-cache"),
    ):
        answer = client.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert answer.headers["cache-control"] == kept, path
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy or policy == "sandbox", path
    assert "http" not in client.get("/docs").text.replace("http://www.w3.org", "")
    assert client.get("/redoc").status_code == 404
