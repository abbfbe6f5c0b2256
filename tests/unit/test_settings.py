"""What can be configured, and what an unusable value does."""

import os
import subprocess
import sys

import pytest

from background.settings import Settings, get_settings
from tests.support import ROOT


def settings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    """The settings under an environment that holds nothing else of ours."""
    for field in Settings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings(_env_file=None)


def test_defaults_are_those_of_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(monkeypatch)
    assert found.sqlalchemy_url.render_as_string(hide_password=False) == (
        "postgresql+psycopg2://postgres:postgres@localhost:5432/celery_jobs"
    )
    assert found.broker_url == found.result_backend == "redis://localhost:6379/0"
    assert (found.api_host, found.api_port, found.flower_port) == ("127.0.0.1", 8000, 5555)
    assert (found.step_seconds, found.lease_seconds, found.max_attempts, found.job_time_limit) == (5, 15, 3, 3600)
    assert found.max_upload_bytes == 20 * 1024 * 1024


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_database_url_replaces_the_five(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    url = settings(monkeypatch, DATABASE_URL=f"{scheme}://me:p%40ss@db:5433/mine").sqlalchemy_url
    assert (url.drivername, url.password, url.host, url.port, url.database) == (
        "postgresql+psycopg2", "p@ss", "db", 5433, "mine",
    )  # fmt: skip


def test_a_password_with_any_character_reaches_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings(monkeypatch, REDIS_PASSWORD="a:/@%b").broker_url == "redis://:a%3A%2F%40%25b@localhost:6379/0"


def test_no_secret_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(
        monkeypatch, POSTGRES_PASSWORD="hush", DATABASE_URL="postgresql://u:hush@h/d", REDIS_PASSWORD="hush"
    )
    assert "hush" not in repr(found)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_PORT", "eighty"),
        ("POSTGRES_PORT", "70000"),
        ("STEP_SECONDS", "nan"),
        ("STEP_SECONDS", "-1"),
        ("MAX_ATTEMPTS", "0"),
        ("LEASE_SECONDS", "0"),
        ("MAX_UPLOAD_BYTES", "20 MiB"),
        ("LOG_FORMAT", "xml"),
        ("DATABASE_URL", "mysql://secret@x/y"),
        ("DATABASE_URL", "not a url"),
        ("CELERY_BROKER_URL", "amqp://secret@x"),
    ],
)
def test_an_unusable_value_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=rf"^{name}: [^\n]+$") as stop:
        get_settings.__wrapped__()
    assert "secret" not in str(stop.value)


@pytest.mark.parametrize(
    "start",
    [
        ["uvicorn", "main:app"],
        ["background", "migrate"],
        ["celery", "-A", "background.celery.celery_app", "worker"],
        ["celery", "-A", "background.celery.celery_app", "flower"],
    ],
    ids=["api", "migrate", "worker", "flower"],
)
def test_every_process_stops_with_that_line(start: list[str]) -> None:
    environment = {**os.environ, "API_PORT": "eighty"}
    done = subprocess.run(
        [sys.executable, "-m", *start],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert (done.stdout + done.stderr).strip().splitlines()[-1].startswith("API_PORT: ")
    assert "Traceback" not in done.stderr
