"""`python -m background api | worker | flower`: what each becomes."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.support import ROOT

# What it would become, and what had to be loaded for that.
RECORD = """
import json, os, sys
def become(_path, argv):
    loaded = [name for name in sys.modules if name.startswith(("background.cli", "alembic", "rich."))]
    print(json.dumps([argv[1:], loaded, os.environ.get("FLOWER_BASIC_AUTH")]))
    sys.exit()
os.execv = become
from background.__main__ import main
main()
"""
CONF = ROOT / "background" / "http" / "flowerconfig.py"
CELERY = ["-m", "celery", "-A", "background.celery.celery_app"]


def becomes(*words: str, **env: str) -> tuple[list[str], list[str], str | None]:
    done = subprocess.run(
        [sys.executable, "-c", RECORD, *words],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=True,
    )
    argv, loaded, login = json.loads(done.stdout)
    return argv, loaded, login


@pytest.mark.parametrize(
    ("words", "argv"),
    [
        (["worker"], [*CELERY, "worker", "--loglevel=INFO"]),
        (
            ["worker", "-c", "2", "-Qa,b", "--pool=solo", "--hostname", "x@%h", "-l", "DEBUG"],
            [
                *CELERY,
                "worker",
                "--loglevel=INFO",
                "-c",
                "2",
                "-Qa,b",
                "--pool=solo",
                "--hostname",
                "x@%h",
                "-l",
                "DEBUG",
            ],
        ),
        (
            ["api", "--workers", "2"],
            [
                *["-m", "uvicorn", "--factory", "background.app:create_app", "--host", "127.0.0.9", "--port", "8123"],
                *["--lifespan", "on", "--timeout-graceful-shutdown", "3", "--workers", "2"],
            ],
        ),
        (
            ["flower", "--address=0.0.0.0"],
            [*CELERY, "flower", f"--conf={CONF}", "--address=127.0.0.1", "--port=5123", "--address=0.0.0.0"],
        ),
        (
            ["api", "--app", "shop.app:app", "--workers", "2"],
            [
                *["-m", "uvicorn", "shop.app:app", "--host", "127.0.0.9", "--port", "8123"],
                *["--lifespan", "on", "--timeout-graceful-shutdown", "3", "--workers", "2"],
            ],
        ),
        (["up"], ["-m", "background.local", "up"]),
        (["up", "shop.app:app"], ["-m", "background.local", "up", "--app", "shop.app:app"]),
        (["demo"], ["-m", "background.local", "demo"]),
    ],
)
def test_a_process_gets_our_defaults_and_what_else_is_said(words: Sequence[str], argv: list[str]) -> None:
    found, loaded, _ = becomes(*words, API_HOST="127.0.0.9", API_PORT="8123", FLOWER_PORT="5123")
    assert found == argv
    assert loaded == []


def test_the_password_of_flower_is_in_no_process_listing() -> None:
    argv, _, _ = becomes("flower", FLOWER_BASIC_AUTH="me:secret")
    assert "me:secret" not in " ".join(argv)


def test_a_setting_that_cannot_be_used_is_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "background", "worker"],
        cwd=ROOT,
        env={**os.environ, "LEASE_SECONDS": "soon"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stderr.startswith("LEASE_SECONDS: ")
    assert done.stderr.count("\n") == 1


def test_a_worker_serves_the_queues_of_all_pipelines_unless_it_is_told_which() -> None:
    env = {"PIPELINES": "tests.acceptance.queued"}
    assert becomes("worker", **env)[0] == [*CELERY, "worker", "--loglevel=INFO", "--queues=celery,reports"]
    assert becomes("worker", "--queues=reports", **env)[0] == [*CELERY, "worker", "--loglevel=INFO", "--queues=reports"]
