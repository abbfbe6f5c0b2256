"""`up` and `demo` with the real programs, and what they say when they cannot begin."""

import contextlib
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import psutil
import psycopg2
import pytest
import redis

from background.base.ports import OF_SERVERS, is_free
from background.local.checks import free_port as port_for
from background.local.children import LocalError, lives
from background.local.lock import only_one
from background.local.plan import make_plan, require_ports
from background.local.postgres import SUPERUSER
from background.local.supervisor import Interrupts
from background.settings import KeySettings, Settings
from tests.support import ROOT, Process, free_port, wait_for

PASSWORDS = ("POSTGRES_PASSWORD", "REDIS_PASSWORD")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server is named, whatever the other tests use."""
    for name in (*Settings.model_fields, *KeySettings.model_fields):
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(f"{name.upper()}_FILE", raising=False)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def settings(**changes: object) -> Settings:
    return Settings(_env_file=None, **changes)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------ the plan


def test_without_a_word_both_servers_are_started(tmp_path: Path) -> None:
    plan = make_plan(settings(), tmp_path)
    assert [server.name for server in plan.servers] == ["postgres", "valkey"]
    assert plan.env["POSTGRES_HOST"] == plan.env["REDIS_HOST"] == "127.0.0.1"
    assert plan.env["POSTGRES_PORT"] == str(plan.servers[0].port)
    secret = (tmp_path / "secrets" / "redis-password").read_text().strip()
    assert plan.settings.broker_url == f"redis://:{secret}@127.0.0.1:{plan.servers[1].port}/0"
    assert {name for name in plan.env if "PASSWORD" in name} == {"POSTGRES_PASSWORD_FILE", "REDIS_PASSWORD_FILE"}
    assert secret not in str(plan.env)


def test_a_password_of_the_users_own_is_left_alone(tmp_path: Path) -> None:
    plan = make_plan(settings(postgres_password="mine", redis_password="mine too"), tmp_path)
    assert plan.settings.postgres_password.get_secret_value() == "mine"
    assert plan.secrets == {}
    assert not (tmp_path / "secrets").exists()


@pytest.mark.parametrize(
    ("changes", "started"),
    [
        ({"postgres_host": "db.example"}, ["valkey"]),
        ({"database_url": "postgresql://u:p@db.example/x"}, ["valkey"]),
        ({"redis_host": "broker.example"}, ["postgres"]),
        ({"celery_broker_url": "redis://broker.example/0"}, ["postgres"]),
        ({"postgres_host": "db.example", "redis_host": "broker.example"}, []),
        ({"celery_result_backend": "redis://results.example/0"}, ["postgres", "valkey"]),
    ],
)
def test_a_server_that_is_named_is_used(tmp_path: Path, changes: dict[str, object], started: list[str]) -> None:
    assert [server.name for server in make_plan(settings(**changes), tmp_path).servers] == started


def test_addresses_show_no_password(tmp_path: Path) -> None:
    plan = make_plan(
        settings(
            database_url="postgresql://u:secret@db.example:1/x", celery_broker_url="rediss://:secret@b.example:2/0"
        ),
        tmp_path,
    )
    assert plan.postgres == "postgresql://u@db.example:1/x"
    assert plan.broker == "rediss://b.example:2/0"


def test_a_usual_port_that_is_taken_is_left_alone(taken: int) -> None:
    assert port_for("127.0.0.1", taken) in OF_SERVERS  # which no connection is given meanwhile
    assert not is_free("127.0.0.1", taken)


def test_servers_move_away_from_usual_ports_that_are_taken(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        for port in (5432, 6379):
            with contextlib.suppress(OSError):  # somebody else's, then
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
        ports = {server.port for server in make_plan(settings(), tmp_path).servers}
    assert len(ports) == 2
    assert not ports & {0, 5432, 6379}


def test_a_server_port_that_was_asked_for_must_be_free(taken: int, tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=f"^Port {taken}, where PostgreSQL .* set POSTGRES_PORT"):
        make_plan(settings(postgres_port=taken), tmp_path)
    with pytest.raises(LocalError, match=f"^Port {taken}, where Valkey .* set REDIS_PORT"):
        make_plan(settings(redis_port=taken), tmp_path)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])  # noqa: S104
def test_a_taken_api_port_is_named_with_its_variable(taken: int, host: str) -> None:
    with pytest.raises(LocalError) as caught:
        require_ports(settings(api_host=host, api_port=taken, flower_port=free_port()))
    assert str(caught.value) == f"Port {taken}, where the API should listen, is taken: set API_PORT to a free one."


def test_a_taken_flower_port_is_named_with_its_variable(taken: int) -> None:
    with pytest.raises(LocalError, match=r"Flower .* set FLOWER_PORT"):
        require_ports(settings(api_port=free_port(), flower_port=taken))


def test_one_port_for_both_is_refused() -> None:
    port = free_port()
    with pytest.raises(LocalError, match="set FLOWER_PORT"):
        require_ports(settings(api_port=port, flower_port=port))


# ------------------------------------------------------------------------------------------------ the lock


def test_a_lock_that_nobody_owns_any_more_is_waited_for(tmp_path: Path) -> None:
    """What inherited it from a killed supervisor holds it a little longer."""
    path = tmp_path / "lock"
    held = threading.Event()
    taken_at: list[float] = []

    def leftover() -> None:
        with only_one(path):
            path.write_text("999999999")
            held.set()
            time.sleep(0.3)
            taken_at.append(time.monotonic())

    thread = threading.Thread(target=leftover)
    thread.start()
    held.wait(5)
    with only_one(path):
        assert time.monotonic() >= taken_at[0]
        assert path.read_text() == str(os.getpid())
    thread.join()


def test_two_signals_at_once_are_one_request() -> None:
    interrupts = Interrupts()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        interrupts.install()
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        wait_for(lambda: interrupts.count, seconds=2)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert interrupts.count == 1


# ------------------------------------------------------------------------------------------------ for real


class Command:
    """`python -m background.local NAME` with servers, data and ports of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env = {
            "API_PORT": str(free_port()),
            "FLOWER_PORT": str(free_port()),
            "DATA_DIR": str(home / "data"),
            "STEP_SECONDS": "0.1",
        }
        self._started = 0

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.env['API_PORT']}"

    def start(self, name: str) -> Process:
        self._started += 1
        argv = [sys.executable, "-m", "background.local", name, "--home", str(self.home / ".local")]
        return Process(argv, log=self.home / f"{self._started}-{name}.log", env=self.env)

    def remaining(self) -> list[psutil.Process]:
        """All that runs with our data directory in its environment, or in our directory."""
        found = []
        for process in psutil.process_iter(["cwd"]):
            with contextlib.suppress(psutil.Error):
                ours = process.environ().get("DATA_DIR") == self.env["DATA_DIR"]
                at_home = str(process.info["cwd"]).startswith(str(self.home))
                if (ours or at_home) and lives(process.pid):
                    found.append(process)
        return found


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    command = Command(tmp_path)
    yield command
    for process in command.remaining():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def completed(api: str, number: int) -> bool:
    return bool(httpx.get(f"{api}/jobs/{number}").json()["status"] == "COMPLETED")


def key_holders(command: Command) -> set[str]:
    """Which of the processes that `up` has started have a key in their environment."""
    children = [each for each in command.remaining() if "background.local" not in each.cmdline()]
    assert len(children) > 5
    holders = [each for each in children if any(name.startswith("API_KEYS") for name in each.environ())]
    return {word for each in holders for word in each.cmdline() if word in ("uvicorn", "celery", "worker", "flower")}


def test_up_serves_keeps_its_data_and_leaves_nothing(command: Command) -> None:
    first = command.start("up")
    first.wait_for_line("Ready.", seconds=60)
    assert command.api in first.output
    assert httpx.get(f"http://127.0.0.1:{command.env['FLOWER_PORT']}/healthcheck").status_code == 200
    number = httpx.post(f"{command.api}/jobs").json()["job_id"]
    wait_for(lambda: completed(command.api, number), seconds=20, what="the job")

    second = command.start("up")
    assert second.popen.wait(10) == 1
    assert second.output == f"It is running already in this directory (process {first.popen.pid}): stop that first.\n"

    first.popen.send_signal(signal.SIGINT)
    assert first.popen.wait(20) == 0
    assert command.remaining() == []

    command.env["API_KEYS"] = "ops:write:a-key-for-this-test"
    third = command.start("up")
    third.wait_for_line("Ready.", seconds=60)
    assert httpx.get(f"{command.api}/jobs").status_code == 401
    assert key_holders(command) == {"uvicorn"}
    job = httpx.get(f"{command.api}/jobs/{number}", headers={"X-API-Key": "a-key-for-this-test"}).json()
    assert job["status"] == "COMPLETED"
    assert third.stop() == 0
    assert command.remaining() == []


def test_another_user_of_the_machine_gets_nothing_and_a_process_by_hand_works(command: Command) -> None:
    home = command.home / ".local"
    home.mkdir(mode=0o755)
    command.env |= {"POSTGRES_PORT": str(free_port()), "REDIS_PORT": str(free_port())}
    up = command.start("up")
    up.wait_for_line("Ready.", seconds=60)
    files = {name: home / "secrets" / f"{name.split('_')[0].lower()}-password" for name in PASSWORDS}
    secrets = [path.read_text().strip() for path in files.values()]
    for name, path in files.items():
        assert f"{name}_FILE={path}" in up.output

    # Neither without the password, nor with one that everybody knows.
    for password in (None, "postgres"):
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=int(command.env["REDIS_PORT"]), password=password).ping()
        for user in ("postgres", SUPERUSER):
            address: dict[str, Any] = {
                "host": "127.0.0.1",
                "port": command.env["POSTGRES_PORT"],
                "dbname": "celery_jobs",
            }
            with pytest.raises(psycopg2.OperationalError, match="password"):
                psycopg2.connect(**address, user=user, password=password)
    # Of what lies there, a program that is not the user's passes through `.local` at most, for PostgreSQL's account.
    assert stat.S_IMODE(home.stat().st_mode) == (0o701 if os.geteuid() == 0 else 0o700)
    for path in home.iterdir():
        assert not path.is_dir() or stat.S_IMODE(path.stat().st_mode) == 0o700, path
        assert path.is_dir() or path.name in ("lock", ".gitignore"), path
    for process in command.remaining():
        with contextlib.suppress(psutil.NoSuchProcess):
            assert not any(secret in " ".join(process.cmdline()) for secret in secrets)
    assert not any(secret in up.output for secret in secrets)

    named = {**command.env, **{f"{name}_FILE": str(path) for name, path in files.items()}}
    done = subprocess.run(
        [sys.executable, "-m", "background", "doctor"],
        cwd=ROOT, env={**os.environ, **named}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert up.stop() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_a_killed_up_leaves_nothing_and_can_be_started_at_once(command: Command) -> None:
    command.env["STEP_SECONDS"] = "30"
    first = command.start("up")
    first.wait_for_line("Ready.", seconds=60)
    httpx.post(f"{command.api}/jobs")
    left = {process.pid for process in command.remaining()}
    first.kill()
    second = command.start("up")
    second.wait_for_line("Ready.", seconds=60)
    assert not left & {process.pid for process in command.remaining()}
    assert second.stop() == 0
    assert command.remaining() == []


def test_up_says_which_port_is_taken_and_starts_nothing(command: Command, taken: int) -> None:
    command.env["API_PORT"] = str(taken)
    process = command.start("up")
    assert process.popen.wait(10) == 1
    assert process.output == f"Port {taken}, where the API should listen, is taken: set API_PORT to a free one.\n"
    assert not (command.home / ".local" / "postgres").exists()


def test_an_unusable_value_is_named(command: Command) -> None:
    command.env["API_PORT"] = "eighty"
    process = command.start("up")
    assert process.popen.wait(10) == 1
    assert re.fullmatch(r"API_PORT: .*\n", process.output)


@pytest.mark.parametrize("keys", ["none", "API_KEYS", "API_KEYS_FILE"])
def test_the_demo_succeeds_even_where_the_api_port_is_taken(command: Command, taken: int, keys: str) -> None:
    command.env["API_PORT"] = str(taken)
    command.env["PIPELINES"] = "tests.acceptance.queued"  # As a project of one's own has it.
    (command.home / "keys").write_text("ops:read:a-key-for-this-test\n")
    if keys != "none":
        given = {"API_KEYS": "ops:read:a-key-for-this-test", "API_KEYS_FILE": str(command.home / "keys")}
        command.env[keys] = given[keys]
    process = command.start("demo")
    assert process.popen.wait(90) == 0, process.output
    for expected in ("COMPLETED", "Final result: 50", "[5, 6]", "Final result: [5, 6]", "Report: "):
        assert expected in process.output
    report = re.search(r"Report: (.+\.md)", process.output)
    assert report is not None
    assert Path(report[1]).is_file()
    assert command.remaining() == []


def test_a_demo_that_fails_says_so_and_shows_a_log(command: Command) -> None:
    command.env["STEP_SECONDS"] = "60"
    process = command.start("demo")
    process.wait_for_line("step 1 IN_PROGRESS", seconds=60)
    worker = next(each for each in command.remaining() if {"celery", "worker"} <= set(each.cmdline()))
    worker.kill()
    assert process.popen.wait(90) == 1
    assert "Failed: worker was killed by SIGKILL." in process.output
    assert str(command.home / ".local" / "logs" / "worker.log") in process.output
    assert command.remaining() == []


def test_a_demo_that_is_interrupted_leaves_nothing(command: Command) -> None:
    command.env["STEP_SECONDS"] = "60"
    process = command.start("demo")
    process.wait_for_line("step 1 IN_PROGRESS", seconds=60)
    process.popen.send_signal(signal.SIGINT)
    assert process.popen.wait(90) == 130
    assert command.remaining() == []
