"""Pipelines whose steps leave their place: as a child, in a thread, by what the engine raises; for their test."""

import asyncio
import os
import sys
import threading
import time
from typing import Any

from background.jobs.pipeline import Cancelled, NotOurs, Params, Pipeline, RetryLater, StepContext, TimedOut


class Bare(RetryLater):
    """One that does not call the constructor of its base."""

    def __init__(self) -> None:
        pass


RAISED = {each.__name__: each for each in (NotOurs, Cancelled, TimedOut, Bare)}


class RaiseParams(Params):
    """What is raised."""

    name: str


raises = Pipeline("raises", RaiseParams)
raises_async = Pipeline("raises_async", RaiseParams)


@raises.step(max_attempts=1)
def plain(context: StepContext, params: RaiseParams) -> None:
    """Raise what only the engine should."""
    raise RAISED[params.name]


@raises_async.step(max_attempts=1)
async def waiting(context: StepContext, params: RaiseParams) -> None:
    """The same."""
    await asyncio.sleep(0)
    raise RAISED[params.name]


class ForkParams(Params):
    """How the child leaves the step, and within what it was forked."""

    leave: str = "return"
    within: str = ""


forks = Pipeline("forks", ForkParams)
forks_async = Pipeline("forks_async", ForkParams)


def fork(params: ForkParams) -> int | None:
    """The exit code of a child that leaves by itself; of the child what it is to give."""
    child = os.fork()
    if child:
        return end_of(child)
    if params.leave == "raise":
        raise ValueError("of the child")
    if params.leave == "exit":
        sys.exit(7)
    return None


def end_of(child: int) -> int:
    """Its exit code; -1 where it does not end."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return -1


@forks.step(max_attempts=1)
def part(context: StepContext, params: ForkParams) -> Any:
    """Fork, itself or in an effect."""
    return context.once("fork", lambda: fork(params)) if params.within == "once" else fork(params)


@forks_async.step(max_attempts=1)
async def part_async(context: StepContext, params: ForkParams) -> Any:
    """The same; or in a thread, or as a child that first waits."""

    async def effect() -> int | None:
        return fork(params)

    match params.within:
        case "once":
            return await context.aonce("fork", effect)
        case "thread":
            return await asyncio.to_thread(fork, params)
        case "wait":
            child = os.fork()
            if not child:
                await asyncio.sleep(0.1)
            return end_of(child)
    return fork(params)


outlived = Pipeline("outlived", Params)
outlived_async = Pipeline("outlived_async", Params)
left: dict[int, Any] = {}
"""What the first step of a job has left behind, and the second one waits for."""


def late(context: StepContext, told: list[str]) -> bool:
    """Report for a step that may have ended; gives whether that was refused."""
    try:
        context.progress(0.9, "of an earlier step")
    except NotOurs:
        told.append("NotOurs")
    return bool(told)


@outlived.step
def leave_thread(context: StepContext, params: Params) -> None:
    """Leave a thread that reports for longer than this step takes."""
    going, told = threading.Event(), list[str]()

    def run() -> None:
        going.wait(5)
        for _ in range(30):
            if late(context, told):
                return
            time.sleep(0.1)

    thread = threading.Thread(target=run)
    thread.start()
    left[context.job_id] = (going, thread, told)


@outlived.step
def await_thread(context: StepContext, params: Params) -> list[str]:
    """Let it report, and give what it was told."""
    going, thread, told = left.pop(context.job_id)
    going.set()
    thread.join()
    found: list[str] = told
    return found


@outlived_async.step
async def leave_task(context: StepContext, params: Params) -> None:
    """Leave a task."""
    going, told = asyncio.Event(), list[str]()

    async def run() -> None:
        await going.wait()
        for _ in range(30):
            if late(context, told):
                return
            await asyncio.sleep(0.1)

    left[context.job_id] = (going, asyncio.create_task(run()), told)


@outlived_async.step
async def await_task(context: StepContext, params: Params) -> list[str]:
    """Let it report."""
    going, task, told = left.pop(context.job_id)
    going.set()
    await task
    found: list[str] = told
    return found
