"""`API_KEYS`: who may ask, who may change something, and who is told that everybody may."""

import base64
import hashlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from background import settings
from background.base.api_keys import digest_of
from background.settings import get_key_settings
from tests.acceptance.test_bad_input import assert_problem
from tests.support import ROOT, Process, free_port, running_api, running_worker, wait_for

WRITE_KEY, READ_KEY = "w-secret-of-a-test", "r:with:colons:of-a-test"
HASHED_KEY = "h-secret-of-a-test"
HASH = hashlib.sha256(HASHED_KEY.encode()).hexdigest()
KEYS = f"ops:write:{WRITE_KEY}, board:read:{READ_KEY},hashed:write:sha256:{HASH}"
WRITE, READ = {"X-API-Key": WRITE_KEY}, {"X-API-Key": READ_KEY}


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
        {"X-API-Key": WRITE_KEY[:-1]},
        {"X-API-Key": f"{WRITE_KEY}x"},
        {"X-API-Key": HASH},
        {"X-API-Key": f"sha256:{HASH}"},
        {"X-API-Key": "ops"},
        {"X-API-Key": "ü"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer nobody"},
        {"Authorization": f"Basic {base64.b64encode(WRITE_KEY.encode()).decode()}"},
        {"Authorization": WRITE_KEY},
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
            raw.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            with raw.makefile("rb") as stream:
                head, _, body = stream.read().partition(b"\r\n\r\n")
        alive = path.startswith("/?") and (method == "HEAD" or body == b'{"status":"ok"}')
        assert int(head.split()[1]) in (307, 400, 401, 404, 405) or alive, (method, head, body)
        assert b"job_id" not in body
        assert not body.startswith(b"[")


def test_everybody_sees_that_it_lives(guarded: httpx.Client) -> None:
    assert guarded.get("/").json() == {"status": "ok"}
    assert guarded.get("/ready").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        WRITE,
        {"Authorization": f"Bearer {WRITE_KEY}"},
        {"authorization": f"bearer  {WRITE_KEY}"},
        {"X-API-Key": HASHED_KEY},
    ],
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


def history(api: httpx.Client, job_id: int) -> list[tuple[str, str | None]]:
    """What happened to a job, and who asked for it."""
    events = api.get(f"/jobs/{job_id}", headers=READ).json()["events"]
    return [(event["kind"], event["actor"]) for event in events]


def test_the_history_says_who_asked(guarded: httpx.Client, tmp_path: Path) -> None:
    other = {"X-API-Key": HASHED_KEY}
    job = guarded.post("/jobs", json={"delay_seconds": 3600}, headers=WRITE).json()["job_id"]
    guarded.post(f"/jobs/{job}/cancel", headers=other)
    assert history(guarded, job) == [("created", "ops"), ("cancelled", "hashed")]
    two = [{"params": {"step_seconds": 60}}, {"params": {"step_seconds": 0}}]
    running, quick = (each["job_id"] for each in guarded.post("/jobs/batch", json={"jobs": two}, headers=other).json())
    with running_worker(tmp_path / "worker.log"):
        wait_for(lambda: guarded.get(f"/jobs/{running}", headers=READ).json()["steps"], what="the first step")
        guarded.post(f"/jobs/{running}/cancel", headers=WRITE)
        for each in (running, quick):
            wait_for(lambda each=each: guarded.get(f"/jobs/{each}", headers=READ).json()["finished_at"])  # type: ignore[misc]
        guarded.post(f"/jobs/{quick}/retry", json={"from_step": 3}, headers=WRITE)
        wait_for(lambda: guarded.get(f"/jobs/{quick}", headers=READ).json()["status"] == "COMPLETED")
    cancelled = [each for each in history(guarded, running) if each[0] != "progress"]
    assert cancelled == [("created", "hashed"), ("started", None), ("cancel_requested", "ops"), ("cancelled", None)]
    asked = [each for each in history(guarded, quick) if each[1] is not None]
    assert asked == [("created", "hashed"), ("retried", "ops")]


def test_the_command_line_shows_who_asked(guarded: httpx.Client) -> None:
    job = guarded.post("/jobs", json={"delay_seconds": 3600}, headers=WRITE).json()["job_id"]
    guarded.post(f"/jobs/{job}/cancel", headers={"X-API-Key": HASHED_KEY})
    done = subprocess.run(
        [sys.executable, "-m", "background", "job", str(job), "--url", str(guarded.base_url)],
        cwd=ROOT,
        env={**os.environ, "PLAYGROUND_API_KEY": READ_KEY},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[-1] for line in lines if "created" in line and line[0] == "1"] == ["ops"]
    assert [line[-1] for line in lines if "cancelled" in line] == ["hashed"]


def test_without_keys_nobody_is_named(client: httpx.Client) -> None:
    job = client.post("/jobs", json={"delay_seconds": 3600}).json()["job_id"]
    client.post(f"/jobs/{job}/cancel")
    assert history(client, job) == [("created", None), ("cancelled", None)]


def test_a_large_body_is_refused_politely(guarded: httpx.Client) -> None:
    assert_problem(guarded.post("/documents", files={"file": ("a.txt", b"x" * 8_000_000)}), 401)


def test_every_refusal_is_in_the_document(guarded: httpx.Client) -> None:
    document = guarded.get("/openapi.json", headers=READ).json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            public = path in ("/", "/ready")
            assert ("401" in operation["responses"]) is not public, (method, path)
            assert ("403" in operation["responses"]) is (method != "get"), (method, path)
            assert {"400", "429"} <= set(operation["responses"]), (method, path)


LONG = "secret-0123456789"
UNUSABLE = [
    " ", ",", "\n", "# ops:write:secret-0123456789", "x", LONG, "a:write", "a:write:", f":write:{LONG}",
    f"a:admin:{LONG}",
    f"{LONG}:write:ops", f"write:{LONG}:ops", "a:read:secret-15-chars", f"a:read:ü{LONG}", f"a\x1b:read:{LONG}",
    f"b:read:{LONG}, a:read:", f"b:read:{LONG},a:read:secret", "a:read:sha256:secret", f"a:read:sha256:{'0' * 63}",
    f"a:read:sha256:{'0' * 65}", f"a:read:sha256:{'x' * 64}", f"a:read:sha256:{' 0' * 32}",
]  # fmt: skip
TWICE = [
    f"a:read:{LONG},b:write:{LONG}", f"a:read:{LONG},a:read:{LONG}0",
    f"a:read:{LONG},b:read:sha256:{hashlib.sha256(LONG.encode()).hexdigest()}",
]  # fmt: skip
EVERYWHERE = "0.0.0.0"  # noqa: S104  (for as long as this test takes)


def start_with(**env: str) -> subprocess.CompletedProcess[str]:
    """An API that is not to start; gives how it ended."""
    return subprocess.run(
        [sys.executable, "-m", "uvicorn", "main:app", f"--port={free_port()}"],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("value", [*UNUSABLE, *TWICE])
def test_unusable_keys_are_named_and_not_shown(value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("API_KEYS", value)
    with pytest.raises(SystemExit, match=r"^API_KEYS: [^\n]+$") as stop:
        get_key_settings.__wrapped__()
    file = tmp_path / "keys"
    file.write_text(value)
    monkeypatch.setenv("API_KEYS", "")
    monkeypatch.setenv("API_KEYS_FILE", str(file))
    monkeypatch.setattr(settings, "get_key_settings", get_key_settings.__wrapped__)
    with pytest.raises(SystemExit, match=rf"^API_KEYS_FILE: {file}: [^\n]+$") as stopped:
        settings.read_api_keys()
    assert "secret" not in f"{stop.value}{stopped.value}"


def test_without_a_word_everybody_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEYS", "")
    monkeypatch.setenv("API_KEYS_FILE", "")
    monkeypatch.setattr(settings, "get_key_settings", get_key_settings.__wrapped__)
    assert settings.read_api_keys() == ()


def test_a_file_may_have_comments_and_blank_lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# who\n\n  ops:write:{LONG}-1,\nboard : read : {LONG}#2 , x:read:{LONG}-3\r\n\n", "utf-8-sig")
    monkeypatch.setenv("API_KEYS_FILE", str(file))
    monkeypatch.setattr(settings, "get_key_settings", get_key_settings.__wrapped__)
    found = settings.read_api_keys()
    assert [(key.name, key.role) for key in found] == [("ops", "write"), ("board", "read"), ("x", "read")]
    assert found[1].is_that_of(digest_of(f"{LONG}#2".encode()))
    assert LONG not in repr(found)


def test_an_api_with_unusable_keys_does_not_start(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    for name, env in (
        ("API_KEYS", {"API_KEYS": "a:read:secret"}),
        ("API_KEYS_FILE", {"API_KEYS_FILE": str(tmp_path / "nothing")}),
        ("API_KEYS_FILE", {"API_KEYS_FILE": str(tmp_path)}),
        ("API_KEYS_FILE", {"API_KEYS_FILE": str(binary)}),
        ("API_KEYS_FILE", {"API_KEYS_FILE": str(binary), "API_KEYS": f"a:read:{LONG}"}),
    ):
        done = start_with(**env)
        assert done.returncode != 0
        assert done.stderr.startswith(f"{name}: "), done.stderr
        assert done.stderr.count("\n") == 1
        assert "secret" not in done.stderr


def test_a_worker_has_nothing_to_do_with_keys() -> None:
    code = "import background.task.job_tasks; from background.settings import get_settings as get; print(get())"
    env = {**os.environ, "API_KEYS": f"ops:write:{LONG}", "API_KEYS_FILE": "/nothing/here"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=True
    )
    assert "api_keys" not in done.stdout


def test_a_file_is_read_again_on_hangup(client: httpx.Client, tmp_path: Path) -> None:
    file, port = tmp_path / "keys", free_port()
    first, second = {"X-API-Key": f"{LONG}-1"}, {"X-API-Key": f"{LONG}-2"}
    file.write_text(f"first:write:{LONG}-1\n")
    env = {"API_KEYS_FILE": str(file)}
    argv = [sys.executable, "-m", "uvicorn", "main:app", "--port", str(port)]
    process = Process(argv, log=tmp_path / "api.log", env=env)

    def hang_up(said: str) -> None:
        before = process.output.count("SIGHUP: ")
        process.popen.send_signal(signal.SIGHUP)
        wait_for(lambda: process.output.count("SIGHUP: ") > before, what="a line about it")
        assert said in next(line for line in reversed(process.output.splitlines()) if "SIGHUP: " in line)

    try:
        process.wait_for_line("Uvicorn running")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as own:
            assert [own.get("/jobs", headers=each).status_code for each in (first, second)] == [200, 401]
            file.write_text(f"second:read:sha256:{digest_of(second['X-API-Key'].encode()).hex()}\n")
            assert [own.get("/jobs", headers=each).status_code for each in (first, second)] == [200, 401]
            hang_up("API_KEYS_FILE has 1 keys now")
            assert [own.get("/jobs", headers=each).status_code for each in (first, second)] == [401, 200]
            for broken in ("", "# nobody\n", "third:write:secret", "second:admin:secret-0123456789"):
                file.write_text(broken)
                hang_up("The keys stay as they were.")
                assert [own.get("/jobs", headers=each).status_code for each in (first, second, {})] == [401, 200, 401]
            file.unlink()
            hang_up("No such file or directory. The keys stay as they were.")
            assert own.get("/jobs", headers=second).status_code == 200
    finally:
        assert process.stop() == 0 or process.popen.returncode == -signal.SIGTERM
    assert "secret" not in process.output


def test_a_hangup_ends_no_api_without_a_file(client: httpx.Client, tmp_path: Path) -> None:
    port = free_port()
    argv = [sys.executable, "-m", "uvicorn", "main:app", "--port", str(port)]
    process = Process(argv, log=tmp_path / "api.log")
    try:
        process.wait_for_line("Uvicorn running")
        process.popen.send_signal(signal.SIGHUP)
        process.wait_for_line("SIGHUP: API_KEYS_FILE is not set")
        assert httpx.get(f"http://127.0.0.1:{port}/jobs").status_code == 200
    finally:
        process.stop()


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
