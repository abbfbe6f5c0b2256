"""What the application itself says of a job that failed or was stopped: each sentence, and the same as facts.

A job keeps one text, which is mostly that of a step's own exception. The sentences here are ours; where the text is one
of them, `read` gives what it says, for whoever words it in another language.
"""

import re
from collections.abc import Callable
from enum import StrEnum
from functools import cache
from typing import Any


class CauseCode(StrEnum):
    """Every cause that the application itself tells of."""

    TIMED_OUT = "timed_out"
    TIMED_OUT_BLOCKING = "timed_out_blocking"
    LOST = "lost"
    OUTPUT_TOO_LARGE = "output_too_large"
    OUTPUT_TOO_DEEP = "output_too_deep"
    OUTPUT_NOT_STORABLE = "output_not_storable"
    WAITED_TOO_OFTEN = "waited_too_often"
    CANCELLED_IN_STEP = "cancelled_in_step"
    WORKER_STOPPED = "worker_stopped"
    BLOCKED = "blocked"
    BLOCKED_BY_ANOTHER = "blocked_by_another"


TOOK_TOO_LONG = "{what} took longer than the {seconds:g} s it may take."
_TIMED_OUT = TOOK_TOO_LONG.replace("{what}", "Step {step}")

SENTENCES = {
    CauseCode.TIMED_OUT: _TIMED_OUT,
    CauseCode.TIMED_OUT_BLOCKING: f"{_TIMED_OUT} It is async, and blocks its event loop.",
    CauseCode.LOST: "The worker was lost: its lease ran out",
    CauseCode.OUTPUT_TOO_LARGE: "The step returned {size} bytes as JSON; MAX_OUTPUT_BYTES allows {limit}.",
    CauseCode.OUTPUT_TOO_DEEP: "The step returned what is nested deeper than {limit}.",
    CauseCode.OUTPUT_NOT_STORABLE: "What the step returned cannot be stored. {error}",
    CauseCode.WAITED_TOO_OFTEN: "It has raised RetryLater {times:,} times, as often as it may; last: {error}",
    CauseCode.CANCELLED_IN_STEP: "Cancelled during the step",
    CauseCode.WORKER_STOPPED: "Handed back: the worker was stopped",
    CauseCode.BLOCKED: "Handed back: step {step} of job {job} blocks the event loop of its worker",
    CauseCode.BLOCKED_BY_ANOTHER: "Handed back: another step blocks the event loop of its worker",
}
"""Each in English; the page has its own."""

_RAISED = {
    CauseCode.TIMED_OUT: "TimedOut",
    CauseCode.TIMED_OUT_BLOCKING: "TimedOut",
    CauseCode.OUTPUT_TOO_LARGE: "NoRetry",
    CauseCode.OUTPUT_TOO_DEEP: "NoRetry",
    CauseCode.OUTPUT_NOT_STORABLE: "NoRetry",
    CauseCode.WAITED_TOO_OFTEN: "NoRetry",
}
"""Those that are raised: their type stands before the sentence, as it does with any exception."""

_KINDS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "seconds": (r"\d{1,18}(?:\.\d{1,18})?(?:e[+-]\d\d)?", float),
    "times": (r"\d[\d,]{0,18}", lambda text: int(text.replace(",", ""))),
    **dict.fromkeys(("step", "job", "size", "limit"), (r"\d{1,18}", int)),
}
"""How a number is read again, if a step's own exception does not only sound like it; what is none of these is text."""


def said(code: CauseCode, **values: Any) -> str:
    """The sentence, as the exception that is raised for it has it."""
    return SENTENCES[code].format(**values)


def kept(code: CauseCode, **values: Any) -> str:
    """The sentence, as a job keeps it."""
    sentence = said(code, **values)
    return f"{_RAISED[code]}: {sentence}" if code in _RAISED else sentence


def read(text: str | None) -> dict[str, Any] | None:
    """The facts of a text that a job keeps: `code`, and what belongs to it; `None` where the words are not ours."""
    if not text:
        return None
    for code, pattern in _patterns():
        if found := pattern.fullmatch(text):
            values = {name: _KINDS.get(name, ("", str))[1](value) for name, value in found.groupdict().items()}
            return {"code": code, **values}
    return None


@cache
def _patterns() -> list[tuple[CauseCode, re.Pattern[str]]]:
    return [(code, _pattern(code)) for code in CauseCode]


def _pattern(code: CauseCode) -> re.Pattern[str]:
    prefix = f"{_RAISED[code]}: " if code in _RAISED else ""
    parts = re.split(r"\{(\w+)[^}]*\}", prefix + SENTENCES[code])
    written = [
        f"(?P<{part}>{_KINDS.get(part, ('.+', str))[0]})" if place % 2 else re.escape(part)
        for place, part in enumerate(parts)
    ]
    return re.compile("".join(written), re.DOTALL)
