"""Results are announced by Redis to those who wait for one, and to nobody else."""

import subprocess
import sys

import httpx2 as httpx
import psutil
import pytest
import redis

from background.settings import get_settings
from tests.acceptance.test_canvas import finished, start
from tests.acceptance.test_playground import NESTED
from tests.support import ROOT

pytestmark = pytest.mark.usefixtures("worker")
PROGRAM = """
from celery import chord, group
from background.celery import celery_app

add = celery_app.signature("background.task.test_tasks.add", args=(2, 3))
slow = [add.clone().set(countdown=countdown) for countdown in (0.5, 0, 1)]
print(add.apply_async().get(timeout=20))
print(group(slow).apply_async().get(timeout=20))
sum_of_slow = chord(slow, celery_app.signature("background.task.test_tasks.xsum"))
print(group(add, sum_of_slow).apply_async().get(timeout=20))
"""


def last_commands() -> set[str]:
    """What each connection to Redis has last asked for, but for those of this process: other tests wait for results."""
    own = {f"{each.laddr.ip}:{each.laddr.port}" for each in psutil.Process().net_connections()}
    with redis.Redis.from_url(get_settings().broker_url) as broker:
        return {client["cmd"] for client in broker.client_list() if client["addr"] not in own}


def test_who_only_sends_tasks_does_not_subscribe(client: httpx.Client) -> None:
    """Neither does the API for a chord, nor a worker for a group in the middle of a chain."""
    assert finished(client, start(client, "/chord")["task_id"])["successful"]
    assert finished(client, start(client, "/canvas", NESTED)["task_id"])["successful"]
    assert last_commands() & {"brpop", "subscribe", "unsubscribe"} == {"brpop"}


def test_who_waits_gets_every_result() -> None:
    """In a program of one's own, which may use the application beside the API."""
    program = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines() == ["5", "[5, 5, 5]", "[5, 15]"], done.stderr
