"""Whoever wakes workers may be slow, stopped or cut off: there are never more messages than jobs that wait."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx2 as httpx
import pytest

from background.jobs import dispatch
from background.jobs.dispatch import wanted
from tests.acceptance.chaos.node import API
from tests.acceptance.chaos.proxy import Fate
from tests.acceptance.chaos.stack import Stack
from tests.acceptance.test_jobs import submit
from tests.support import wait_for

QUICK = {"params": {"step_seconds": 0}}
FEW = 40
"""So few that their messages go over the line in one piece."""
MANY = 1000


@contextmanager
def submitting(client: httpx.Client, number: int) -> Iterator[None]:
    """Meanwhile a batch is submitted, and stored once the block ends."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.post, "/jobs/batch", json={"jobs": [QUICK] * number}, timeout=60)
        yield
        assert answer.result().status_code == 201


def finished(stack: Stack, busy: int) -> None:
    """Let all jobs go to their end; none was run twice."""
    stack.client().post(f"/jobs/{busy}/cancel")
    assert stack.wait_all_ended(seconds=60) is not None
    assert stack.select("SELECT DISTINCT attempt FROM jobs") == [(1,)]


@pytest.fixture
def busy(stack: Stack) -> int:
    """A job that keeps the only worker busy, whose recovery goes on."""
    client = stack.add_api(seams=["stop_before_publish"])
    stack.add_workers("solo")
    job_id = submit(client, params={"step_seconds": 300})
    stack.holder(job_id, attempt=1)
    return job_id


def test_an_api_that_stood_still_between_commit_and_publish(stack: Stack, busy: int) -> None:
    stack.site.die_file.touch()
    with submitting(stack.client(), FEW):
        wait_for(lambda: stack.messages() == wanted(FEW), what="recovery")
        stack.nodes[API].signal(signal.SIGCONT)
    assert stack.messages() == wanted(FEW)
    finished(stack, busy)


def test_messages_that_were_long_on_their_way(stack: Stack, busy: int) -> None:
    valkey = stack.nodes[API].valkey
    sprung = valkey.lay_trap(Fate.FREEZE, b"run_job")
    with submitting(stack.client(), FEW):
        wait_for(sprung.is_set, what="the messages on their way")
    wait_for(lambda: stack.messages() == wanted(FEW), what="recovery")
    valkey.thaw()
    for _ in range(dispatch.FEW):
        submit(stack.client(), **QUICK)
    wait_for(lambda: stack.messages() > wanted(FEW), what="the next message")
    assert stack.messages() == wanted(FEW) + 1
    finished(stack, busy)


@pytest.mark.usefixtures("busy")
def test_many_batches_under_way_at_once(stack: Stack) -> None:
    longest = 0
    with ThreadPoolExecutor(4) as pool:
        body = {"jobs": [QUICK] * MANY}
        answers = [pool.submit(stack.client().post, "/jobs/batch", json=body, timeout=60) for _ in range(4)]
        while not all(answer.done() for answer in answers):
            longest = max(longest, stack.messages())
    assert {answer.result().status_code for answer in answers} == {201}
    least = 4 * MANY // dispatch.FEW
    wait_for(lambda: stack.messages() >= least, what="a message for ten")
    assert max(longest, stack.messages()) <= least + dispatch.FEW
