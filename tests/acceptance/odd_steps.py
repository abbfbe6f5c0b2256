"""Pipelines whose steps wait, ask to be run later, return what JSON has not, log and act once: for `test_steps`."""

import asyncio
import logging
import sys
import time
from decimal import Decimal
from pathlib import Path

from background.jobs.pipeline import NoRetry, Params, Pipeline, RetryLater, StepContext, fixed


class WaitParams(Params):
    """How long to wait, and where to say that it has been left; `how` is what happens then."""

    seconds: float = 0
    note: str = ""
    how: str = ""


waits = Pipeline("waits", WaitParams)


def was_left(params: WaitParams) -> bool:
    """Whether the step was left before it had waited."""
    return bool(params.note) and Path(params.note).exists()


def leave(params: WaitParams) -> None:
    """Say so."""
    Path(params.note).write_text("left")


@waits.step
async def wait(context: StepContext, params: WaitParams) -> Decimal:
    """Wait, as an async step does; not again when it was left."""
    context.progress(0.5, "waiting")
    try:
        await asyncio.sleep(0 if was_left(params) else params.seconds)
    except asyncio.CancelledError:
        leave(params)
        raise
    if params.how == "exit":
        sys.exit(3)
    if params.how == "sleep":
        context.sleep(1)
    return Decimal("1.10")


@waits.step
def double(context: StepContext, params: WaitParams) -> Decimal:
    """A plain step behind it."""
    price: Decimal = context.outputs["wait"]
    return price * 2


@waits.step
async def tell(context: StepContext, params: WaitParams) -> dict[str, str]:
    """And an async one again."""
    await asyncio.sleep(0)
    return {"price": str(context.outputs["wait"]), "doubled": f"{context.outputs['double']:.2f}"}


late = Pipeline("late", WaitParams)


@late.step(timeout=1, max_attempts=1)
async def dawdle(context: StepContext, params: WaitParams) -> None:
    """Take too long, and say so."""
    try:
        await asyncio.sleep(60)
    finally:
        leave(params)


class BlockParams(Params):
    """The file with which a step that blocks its loop is let go."""

    until: str


blocking = Pipeline("blocking", BlockParams)


def idle(params: BlockParams) -> None:
    """Wait as a plain step would."""
    until = time.monotonic() + 120
    while not Path(params.until).exists() and time.monotonic() < until:
        time.sleep(0.05)


@blocking.step(timeout=7)
async def block(context: StepContext, params: BlockParams) -> None:
    """Do so in a task of its own."""

    async def wait() -> None:
        idle(params)

    await asyncio.gather(wait())


held = Pipeline("held", Params)


@held.step(timeout=8, max_attempts=1)
async def hold(context: StepContext, params: Params) -> None:
    """Take too long the first time."""
    context.progress(0.5)
    await asyncio.sleep(60 if context.attempt == 1 else 0)


class OnceParams(Params):
    """For a single async step."""

    seconds: float


herd = Pipeline("herd", OnceParams)


@herd.step
async def graze(context: StepContext, params: OnceParams) -> int:
    """Only wait."""
    await asyncio.sleep(params.seconds)
    return context.attempt


class FailParams(Params):
    """`times`: how often it fails, or asks to be run later, before it is done."""

    times: int = 0
    how: str = "fail"


class Unsteady(Exception):
    """What is tried again."""


picky = Pipeline("picky", FailParams)


@picky.step(retry_on=(Unsteady,), backoff=fixed(0.01), max_attempts=3, max_waits=2)
def call(context: StepContext, params: FailParams) -> int:
    """A step with a policy of its own. In attempt `times` + 1 it is done."""
    if context.attempt <= params.times:
        match params.how:
            case "later":
                raise RetryLater(0.01, "429")
            case "much later":
                raise RetryLater(600, "429: Retry-After 600")
            case "before":
                raise RetryLater(-1)
            case "other":
                raise KeyError("other")
            case "never":
                raise NoRetry("never")
        raise Unsteady("again")
    return context.failures


@picky.step
def after(context: StepContext, params: FailParams) -> None:
    """A step that fails once, held against the job."""
    if context.failures < 1:
        raise Unsteady("once")


patient = Pipeline("patient", FailParams)


@patient.step(backoff=fixed(600), max_attempts=3)
def ask(context: StepContext, params: FailParams) -> None:
    """A step with a limit of its own, and a long pause."""
    raise Unsteady("busy")


class LogParams(Params):
    """How many lines a step logs, and what happens after it."""

    lines: int = 3
    seconds: float = 0


loud = Pipeline("loud", LogParams)


@loud.step
def shout(context: StepContext, params: LogParams) -> None:
    """Log in every way, and fail at first."""
    context.log("first\x1b[31m\nand \x00 more", logging.WARNING)
    context.log("x" * 10_000_000)
    for number in range(params.lines):
        logging.getLogger("shop").info("line %s", number)
    try:
        raise ValueError("inner")
    except ValueError:
        logging.getLogger("shop").exception("caught")
    if params.seconds:
        context.sleep(params.seconds)
    if context.failures == 0:
        raise Unsteady("once")


@loud.step
async def whisper(context: StepContext, params: LogParams) -> None:
    """Log from an async step."""
    await asyncio.sleep(0)
    await asyncio.to_thread(context.log, "from afar")


class EffectParams(Params):
    """The file that stands for the outside: a line for each effect; `how` is what is wrong."""

    outside: str
    how: str = ""


effects = Pipeline("effects", EffectParams)


@effects.step
def charge(context: StepContext, params: EffectParams) -> str:
    """Have an effect once, and fail or die after it in the first attempt."""

    def pay() -> Decimal | object:
        with Path(params.outside).open("a") as outside:
            outside.write(f"{context.key}\n")
        return object() if params.how == "odd" else Decimal("1.50")

    name = "" if params.how == "nameless" else "charge"
    paid = context.once(name, pay)
    if context.attempt == 1:
        if params.how == "die":
            context.sleep(60)
        raise Unsteady("after it")
    return f"{paid} {context.once('nothing', lambda: None)}"


@effects.step
async def ship(context: StepContext, params: EffectParams) -> Decimal:
    """The same, async."""

    async def send() -> Decimal:
        with open(params.outside, "a") as outside:  # noqa: ASYNC230, PTH123  (a line)
            outside.write(f"{context.key}\n")
        return Decimal("0.10")

    cost = await context.aonce("charge", send)
    if context.failures == 0:
        raise Unsteady("after it")
    return cost + 1
