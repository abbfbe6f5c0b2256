"""`API_KEYS`: who may ask, who may change something, and who is told that everybody may."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.acceptance.test_bad_input import assert_problem
from tests.support import ROOT, Process, free_port, running_api

KEYS = "ops:write:w-secret, board:read:r:with:colons"
WRITE, READ = {"X-API-Key": "w-secret"}, {"X-API-Key": "r:with:colons"}


@pytest.fixture(scope="module")
def guarded(postgres: object, valkey: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An API with keys."""
    log = tmp_path_factory.mktemp("keys") / "api.log"
    with running_api(log, env={"API_KEYS": KEYS}) as client:
        yield client
        assert "secret" not in log.read_text()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "w-secre"},
        {"X-API-Key": "ops"},
        {"X-API-Key": "ü"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer nobody"},
        {"Authorization": "Basic dy1zZWNyZXQ="},
        {"Authorization": "w-secret"},
    ],
)
def test_without_a_key_nothing_is_told(guarded: httpx.Client, headers: dict[str, str]) -> None:
    raw = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    for request in ("GET /jobs", "POST /jobs", "GET /events", "GET /docs", "GET /nothing"):
        answer = guarded.request(*request.split(), headers=raw)
        assert_problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "path",
    [
        "//", "//jobs", "/jobs/", "/%6aobs", "/JOBS", "/ready/", "/ready/../jobs", "/ready%2f..%2fjobs", "/;/jobs",
        "/ui", "/ui/../jobs", "/ui/%2e%2e/jobs", "/ui%2f..%2fjobs", "/ui//jobs", "/uii", "/UI/../jobs", "/?/jobs",
        "http://x/jobs",
    ],
)  # fmt: skip
def test_no_spelling_of_a_path_goes_round_the_key(guarded: httpx.Client, path: str) -> None:
    for method in ("GET", "HEAD", "POST", "get", "OPTIONS"):
        with socket.create_connection((guarded.base_url.host, guarded.base_url.port or 0), 20) as raw:
            raw.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            with raw.makefile("rb") as stream:
                head, _, body = stream.read().partition(b"\r\n\r\n")
        assert int(head.split()[1]) in (307, 401, 404, 405) or body == b'{"status":"ok"}', (method, head, body)
        assert b"job_id" not in body
        assert not body.startswith(b"[")


def test_everybody_sees_that_it_lives(guarded: httpx.Client) -> None:
    assert guarded.get("/").json() == {"status": "ok"}
    assert guarded.get("/ready").status_code == 200


@pytest.mark.parametrize(
    "headers", [WRITE, {"Authorization": "Bearer w-secret"}, {"authorization": "bearer  w-secret"}]
)
def test_a_key_that_writes_may_do_everything(guarded: httpx.Client, headers: dict[str, str]) -> None:
    job = guarded.post("/jobs", json={"delay_seconds": 3600}, headers=headers)
    assert job.status_code == 201
    assert guarded.get(job.headers["location"], headers=headers).status_code == 200
    assert guarded.post(f"{job.headers['location']}/cancel", headers=headers).status_code == 202
    assert guarded.delete(job.headers["location"], headers=headers).status_code == 204


def test_a_key_that_reads_changes_nothing(guarded: httpx.Client) -> None:
    job = guarded.post("/jobs", json={"delay_seconds": 3600}, headers=WRITE).json()["job_id"]
    assert guarded.get(f"/jobs/{job}", headers=READ).json()["status"] == "PENDING"
    for method, path in (
        ("POST", "/jobs"),
        ("POST", f"/jobs/{job}/cancel"),
        ("DELETE", f"/jobs/{job}"),
        ("POST", "/add"),
    ):
        assert_problem(guarded.request(method, path, headers=READ), 403)
    assert guarded.get(f"/jobs/{job}", headers=READ).json()["status"] == "PENDING"
    preview = guarded.post("/canvas/preview", json={"task": "add", "args": [1, 2]}, headers=READ)
    assert preview.status_code == 200


def test_a_stream_carries_the_key(guarded: httpx.Client) -> None:
    job = guarded.post("/jobs", json={"delay_seconds": 3600}, headers=WRITE).json()["job_id"]
    guarded.post(f"/jobs/{job}/cancel", headers=WRITE)
    assert_problem(guarded.get(f"/jobs/{job}/events"), 401)
    assert "event: cancelled" in guarded.get(f"/jobs/{job}/events", headers=READ).text


def test_a_large_body_is_refused_politely(guarded: httpx.Client) -> None:
    assert_problem(guarded.post("/documents", files={"file": ("a.txt", b"x" * 8_000_000)}), 401)


def test_every_refusal_is_in_the_document(guarded: httpx.Client) -> None:
    document = guarded.get("/openapi.json", headers=READ).json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            public = path in ("/", "/ready")
            assert ("401" in operation["responses"]) is not public, (method, path)
            writes = method != "get" and path != "/canvas/preview"
            assert ("403" in operation["responses"]) is (writes and not public), (method, path)


UNUSABLE = [" ", "x", "a:write", "a:write:", ":write:k", "a:admin:k", "a:read:k,", "a:read:ü"]
TWICE = ["a:read:k,b:write:k", "a:read:k,a:read:l"]
EVERYWHERE = "0.0.0.0"  # noqa: S104  (for as long as this test takes)


@pytest.mark.parametrize("value", ["", *UNUSABLE, *TWICE])
def test_unusable_keys_stop_the_process(value: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from background.settings import get_settings as get; print(get().known_keys)"],
        cwd=ROOT,
        env={"API_KEYS": value, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if value == "":
        assert (done.returncode, done.stdout) == (0, "()\n")
    else:
        assert done.returncode == 1
        assert done.stderr.startswith("API_KEYS: ")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("host", "keys", "warned"), [(EVERYWHERE, "", 1), ("127.0.0.1", "", 0), (EVERYWHERE, KEYS, 0)])
def test_an_open_api_says_so(tmp_path: Path, postgres: object, host: str, keys: str, warned: int) -> None:
    port = str(free_port())
    env = {"API_HOST": host, "API_PORT": port, "API_KEYS": keys}
    process = Process([sys.executable, "-m", "background", "api"], log=tmp_path / "api.log", env=env)
    try:
        process.wait_for_line("Uvicorn running")
        assert process.output.count("API_KEYS is not set") == warned
    finally:
        process.stop()
