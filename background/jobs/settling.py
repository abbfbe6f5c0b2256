"""What becomes of an attempt whose step has raised; `states` decides, and here it is written."""

import logging
import traceback
from collections.abc import Callable

from background.jobs import causes, states
from background.jobs.attempt import MESSAGE_CHARACTERS, Attempt, shortened
from background.jobs.causes import Cause, CauseCode
from background.jobs.declared import text_of
from background.jobs.pipeline import Cancelled, NoRetry, NotOurs, RetryLater, TimedOut
from background.jobs.policy import as_meant, is_pause, within

logger = logging.getLogger(__name__)

TRACEBACK_LINES = 30
TRACEBACK_CHARACTERS = 16_000


def settle(attempt: Attempt, error: BaseException, stopped: Callable[[], bool]) -> None:
    """Write what becomes of the attempt when its step has raised this; `stopped`: maybe since its worker is to end."""
    # A step may raise these by itself, and then has failed: what they say is only known in PostgreSQL.
    asked = attempt.cancel_asked() if any(isinstance(each, Cancelled | NotOurs) for each in within(error)) else False
    match meant := as_meant(error):
        case _ if asked is None:
            logger.info("Job %s attempt %s is no longer ours.", attempt.job_id, attempt.number)
        case _ if asked:
            attempt.end_as(states.cancelled())
        case RetryLater() as later:
            _wait(attempt, later)
        case _ if not isinstance(meant, NoRetry | TimedOut) and stopped():
            _hand_back(attempt, error)
        case _:
            _fail(attempt, error)


def _wait(attempt: Attempt, later: RetryLater) -> None:
    """Write that the step is to be run again later, if it may ask so once more."""
    most = attempt.policy.max_waits
    if not is_pause(getattr(later, "seconds", None)):  # a class of its own may not have called ours
        _fail(attempt, NoRetry(f"It has raised {type(later).__name__}, a RetryLater, without its seconds."))
    elif attempt.counts().waits < most:
        reason = shortened(text_of(later), MESSAGE_CHARACTERS)
        logger.info(
            "Job %s step %s is to be run again in %g s: %s", attempt.job_id, attempt.step, later.seconds, reason
        )
        attempt.end_as(states.waits(reason, seconds=later.seconds))
    else:
        last = shortened(text_of(later), MESSAGE_CHARACTERS)
        _fail(attempt, NoRetry(Cause(CauseCode.WAITED_TOO_OFTEN, times=most, error=last)))


def _fail(attempt: Attempt, error: BaseException) -> None:
    """Write that the step has failed; whether the job gets another attempt is decided in `states`."""
    lines = _traceback(error).splitlines()[-TRACEBACK_LINES:]
    meant = as_meant(error)
    said = "; ".join(map(_said, [meant, *within(meant)] if isinstance(meant, BaseExceptionGroup) else [meant]))
    message = shortened(said, MESSAGE_CHARACTERS)
    logger.warning("Job %s step %s failed: %s", attempt.job_id, attempt.step, message)
    own = 0 if attempt.policy.max_attempts is None else attempt.counts().failures
    attempt.end_as(
        states.failed(
            message,
            error=shortened("\n".join(lines), TRACEBACK_CHARACTERS, from_end=True),
            cause=causes.raised(meant),
            retryable=attempt.policy.tries_again(meant),
            **attempt.policy.failure(own, failures=attempt.failures, max_attempts=attempt.max_attempts),
        )
    )


def _said(error: BaseException) -> str:
    return ": ".join(filter(None, (type(error).__name__, text_of(error))))


def _hand_back(attempt: Attempt, error: BaseException) -> None:
    """Give the job back without a failure: whatever stops this worker may have stopped what the step relied on."""
    logger.warning("Job %s step %s failed while its worker was stopped: %r", attempt.job_id, attempt.step, error)
    attempt.end_as(states.stopped())


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001  (errors are anybody's objects)
        return "".join(traceback.format_tb(error.__traceback__))
