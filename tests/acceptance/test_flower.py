"""Flower lets nobody in without the login, however it was started and wherever the login is kept."""

import sys
from pathlib import Path

import httpx2 as httpx
import psutil
import pytest

from background.local.valkey import EmbeddedValkey
from tests.support import Process, free_port, wait_for


@pytest.mark.parametrize(
    "start",
    [["background", "flower"], ["celery", "-A", "background.celery.celery_app", "flower"]],
    ids=["own", "celery"],
)
def test_the_login_may_come_from_a_file(valkey: EmbeddedValkey, tmp_path: Path, start: list[str]) -> None:
    secret = tmp_path / "login"
    secret.write_text("me:hush\n")
    port = free_port()
    flower = Process(
        [sys.executable, "-m", *start, f"--port={port}"],
        log=tmp_path / "flower.log",
        env={"FLOWER_BASIC_AUTH_FILE": str(secret), "FLOWER_BASIC_AUTH": ""},
    )
    try:

        def answer(login: tuple[str, str] | None = None) -> int | None:
            assert flower.popen.poll() is None, flower.output
            try:
                return httpx.get(f"http://127.0.0.1:{port}/workers", timeout=10, auth=login).status_code
            except httpx.TransportError:
                return None

        assert wait_for(answer, what="Flower") == 401
        assert answer(("me", "hush")) == 200
        assert "hush" not in " ".join(psutil.Process(flower.popen.pid).cmdline())
    finally:
        flower.stop()
