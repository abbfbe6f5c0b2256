"""What the application itself says of an attempt that failed or was stopped: a sentence that has the same as facts.

A job keeps one text, which is mostly that of a step's own exception. Where the words are ours, its event has the facts
beside them, for whoever words them in another language.
"""

from enum import StrEnum
from typing import Any, Self


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
    OVERTAKEN = "overtaken"
    BLOCKED = "blocked"
    BLOCKED_BY_ANOTHER = "blocked_by_another"
    PARAMS_REFUSED = "params_refused"
    RETRY_LATER = "retry_later"


_TIMED_OUT = "Step {step} took longer than the {seconds:g} s it may take."

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
    CauseCode.OVERTAKEN: "Handed back: its step was completed just then",
    CauseCode.BLOCKED: "Handed back: step {step} of job {job} blocks the event loop of its worker",
    CauseCode.BLOCKED_BY_ANOTHER: "Handed back: another step blocks the event loop of its worker",
    CauseCode.PARAMS_REFUSED: "Its params were refused. {error}",
    CauseCode.RETRY_LATER: "To be run again later: {reason}",
}
"""Each in English; the page has its own."""


class Cause(str):
    """The sentence of a code with these values, numbers and texts, and as `facts` both: `code`, and each value.

    An exception that is raised with it says this sentence, and hands the facts on.
    """

    facts: dict[str, Any]

    def __new__(cls, code: CauseCode, **values: Any) -> Self:
        """Word it."""
        cause = super().__new__(cls, SENTENCES[code].format(**values))
        cause.facts = {"code": code, **values}
        return cause


def raised(error: BaseException) -> dict[str, Any] | None:
    """The facts of what was raised; `None` where its words are somebody's own."""
    said = error.args[0] if error.args else None
    return said.facts if isinstance(said, Cause) else None
