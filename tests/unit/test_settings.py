"""What can be configured, and what an unusable value does."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from background.celery import require_result_backend
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


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_ipv6_address_stands_in_brackets(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    assert settings(monkeypatch, REDIS_HOST=host).broker_url == "redis://[::1]:6379/0"


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("rediss://h:1/2", "rediss://h:1/2?ssl_cert_reqs=required"),
        ("rediss://h:1/2?ssl_cert_reqs=CERT_NONE", "rediss://h:1/2?ssl_cert_reqs=none"),
        ("rediss://h:1/2?ssl_cert_reqs=optional", "rediss://h:1/2?ssl_cert_reqs=optional"),
        ("redis://me:p%40@h", "redis://me:p%40@h"),
        ("redis+socket://:p@/run/redis.sock?virtual_host=3", "redis+socket://:p@/run/redis.sock?virtual_host=3"),
        ("redis+socket:///run/redis.sock?virtual_host=3", "redis+socket:///run/redis.sock?virtual_host=3"),
        ("redis+socket:///run/redis.sock", "redis+socket:///run/redis.sock"),
        ("redis:///1", "redis:///1"),
    ],
)
def test_a_redis_url_gets_one_spelling(monkeypatch: pytest.MonkeyPatch, given: str, normal: str) -> None:
    found = settings(monkeypatch, CELERY_BROKER_URL=given)
    assert found.broker_url == found.result_backend == normal
    assert settings(monkeypatch, CELERY_BROKER_URL="redis://h", CELERY_RESULT_BACKEND=given).result_backend == normal


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_data_dir_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    with pytest.raises(SystemExit, match=r"^DATA_DIR: .* cannot be written to$"):
        get_settings.__wrapped__()


@pytest.mark.parametrize(
    ("content", "reason"),
    [("REDIS_HOST=Gerät", "is not UTF-8"), ("API_PORT=\x00", "API_PORT")],
)
def test_an_env_file_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("API_PORT", raising=False)
    (tmp_path / ".env").write_bytes(content.encode("latin-1"))
    with pytest.raises(SystemExit, match=rf"^(\.env: )?{reason}[^\n]*$"):
        get_settings.__wrapped__()


def test_an_env_file_with_a_byte_order_mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("API_PORT", raising=False)
    (tmp_path / ".env").write_text("API_PORT=8123", encoding="utf-8-sig")
    assert get_settings.__wrapped__().api_port == 8123


def test_no_secret_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(
        monkeypatch, POSTGRES_PASSWORD="hush", DATABASE_URL="postgresql://u:hush@h/d", REDIS_PASSWORD="hush"
    )
    assert "hush" not in repr(found)


SECRETS = [name.upper() for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)]
USABLE = {
    "DATABASE_URL": "postgresql://u:hush@h/d",
    "DATABASE_LISTEN_URL": "postgresql://u:hush@h/d",
    "CELERY_BROKER_URL": "redis://:hush@h/0",
    "CELERY_RESULT_BACKEND": "redis://:hush@h/0",
    "FLOWER_BASIC_AUTH": "me:hush",
    "API_KEYS": "me:read:hush",
    "CALLBACK_SECRET": "hush: é, 16 bytes",
}


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_every_secret_may_come_from_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, end: str
) -> None:
    secret = USABLE.get(name, " hush: é ")
    (tmp_path / "secret").write_text(secret + end, encoding="utf-8", newline="")
    found = getattr(settings(monkeypatch, **{f"{name}_FILE": str(tmp_path / "secret")}), name.lower())
    assert found.get_secret_value() == secret


def test_the_secrets_that_are_known() -> None:
    assert {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "FLOWER_BASIC_AUTH"} <= set(SECRETS)


def test_one_line_end_alone_is_no_part_of_a_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush\n\n")
    found = settings(monkeypatch, REDIS_PASSWORD_FILE=str(tmp_path / "secret"))
    assert found.redis_password is not None
    assert found.redis_password.get_secret_value() == "hush\n"


def test_an_env_file_may_name_the_file_of_a_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("REDIS_PASSWORD", "REDIS_PASSWORD_FILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".env").write_text("REDIS_PASSWORD_FILE=secret\n")
    (tmp_path / "secret").write_text("hush")
    found = get_settings.__wrapped__()
    assert found.redis_password is not None
    assert found.redis_password.get_secret_value() == "hush"
    monkeypatch.setenv("REDIS_PASSWORD", "other")
    with pytest.raises(SystemExit, match=r"^REDIS_PASSWORD_FILE: REDIS_PASSWORD is set as well[^\n]*$"):
        get_settings.__wrapped__()


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff"])
def test_a_secret_that_cannot_be_read_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.delenv("REDIS_PASSWORD", raising=False)
    monkeypatch.setenv("REDIS_PASSWORD_FILE", str(path))
    with pytest.raises(SystemExit, match=rf"^REDIS_PASSWORD_FILE: {path}[^\n]+$"):
        get_settings.__wrapped__()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_PORT", "eighty"),
        ("POSTGRES_PORT", "70000"),
        ("STEP_SECONDS", "nan"),
        ("STEP_SECONDS", "-1"),
        ("MAX_ATTEMPTS", "0"),
        ("LEASE_SECONDS", "0"),
        ("JOB_TIME_LIMIT", "0"),
        ("JOB_TIME_LIMIT", str(10**13)),
        ("MAX_UPLOAD_BYTES", "20 MiB"),
        ("LOG_FORMAT", "xml"),
        ("DATABASE_URL", "mysql://secret@x/y"),
        ("DATABASE_URL", "not a url"),
        ("DATABASE_URL", "postgresql://me:secret@h:port/d"),
        ("DATABASE_LISTEN_URL", "mysql://secret@x/y"),
        ("CELERY_BROKER_URL", "amqp://secret@x"),
        ("CELERY_BROKER_URL", "redis://:secret@x:port/0"),
        ("CELERY_BROKER_URL", "redis://:secret@::1:6379/0"),
        ("CELERY_BROKER_URL", "redis://:secret@x:6379/name"),
        ("CELERY_BROKER_URL", "rediss://:secret@x:6379/0?ssl_cert_reqs=CERT_MAYBE"),
        ("CELERY_BROKER_URL", "rediss://:secret@x:6379/0?ssl_ca_certs=/nothing/here.pem"),
        ("CELERY_BROKER_URL", "redis://:secret@x:6379/0?ssl_cert_reqs=none"),
        ("CELERY_BROKER_URL", "redis+socket://:secret@/?virtual_host=1"),
        ("CELERY_BROKER_URL", "redis+socket:///run/redis.sock?virtual_host=secret"),
        ("CELERY_BROKER_URL", "redis+socket://run/redis.sock"),
        ("CELERY_BROKER_URL", "redis://:secret@a b:6379/0"),
        ("CELERY_BROKER_URL", "redis://me:123#secret@x:6379/0"),
        ("CELERY_RESULT_BACKEND", "redis://:secret@x:6379/name"),
        ("REDIS_HOST", "redis://secret@x"),
        ("REDIS_HOST", "me:secret@x"),
        ("REDIS_HOST", "300.1.1.1"),
        ("POSTGRES_HOST", "a secret"),
        ("POSTGRES_HOST", "db:5432"),
        ("DATABASE_URL", "postgresql://me:secret@a b/d"),
        ("API_HOST", "not a host"),
        ("API_HOST", "http://127.0.0.1"),
        ("FLOWER_BASIC_AUTH", "secret"),
        ("FLOWER_BASIC_AUTH", "me:secret,you"),
        ("RETENTION_DAYS", "0"),
        ("RETENTION_DAYS", "-1"),
        ("RETENTION_DAYS", "a week"),
        ("RETENTION_DAYS", "1e300"),
        ("DATA_DIR", __file__),
        ("DATA_DIR", f"{__file__}/below"),
        ("DATA_DIR", "/dev/fd/nothing"),
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
    ("name", "value"),
    [
        ("POSTGRES_HOST", "db.example.org."),
        ("POSTGRES_HOST", "my_db-1,10.0.0.1"),
        ("POSTGRES_HOST", "/var/run/postgresql"),
        ("POSTGRES_HOST", "fe80::1%eth0"),
        ("REDIS_HOST", "127.1"),
        ("API_HOST", "::"),
        ("API_HOST", "[::1]"),
        ("API_HOST", "0.0.0.0"),  # noqa: S104  (it may be asked for)
    ],
)
def test_what_may_be_a_host(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    assert getattr(settings(monkeypatch, **{name: value}), name.lower()) == value.strip("[]")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("foo://bar", "names no result backend of Celery; it takes a URL such as redis://"),
        ("xyz", "names no result backend of Celery; it takes a URL such as redis://"),
        ("os.path.nothing://", "names no result backend of Celery; it takes a URL such as redis://"),
        ("db", "Celery cannot use it: Missing connection string!"),
        ("db+nothing://me:secret@x/y", "Celery cannot use it: Can't load plugin"),
    ],
)
def test_a_result_backend_that_celery_does_not_know(value: str, reason: str) -> None:
    with pytest.raises(SystemExit, match=rf"^CELERY_RESULT_BACKEND: {re.escape(reason)}[^\n]*$") as stop:
        require_result_backend(value)
    assert "secret" not in str(stop.value)


def test_a_result_backend_that_is_away_keeps_nobody_from_starting() -> None:
    require_result_backend("db+postgresql+psycopg2://me:secret@127.0.0.1:1/none")


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
