"""The states of a canvas task and of a run, in Celery's words."""

from enum import StrEnum


class TaskState(StrEnum):
    """The state of one task of a run. SKIPPED: something before it failed, so it can never run."""

    PENDING = "PENDING"
    STARTED = "STARTED"
    RETRY = "RETRY"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    REVOKED = "REVOKED"
    SKIPPED = "SKIPPED"


class RunStatus(StrEnum):
    """The state of a run as a whole. It is final once no task of it can change any more."""

    PENDING = "PENDING"
    STARTED = "STARTED"
    RETRY = "RETRY"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    REVOKED = "REVOKED"


class RunAction(StrEnum):
    """What can be asked of a run once it is there; `terminate` is a cancellation that kills what runs."""

    CANCEL = "cancel"
    TERMINATE = "terminate"
    RETRY = "retry"
    DELETE = "delete"


class RunType(StrEnum):
    """What was submitted."""

    SINGLE = "single"
    CHAIN = "chain"
    GROUP = "group"
    CHORD = "chord"
    CANVAS = "canvas"


FINAL = frozenset({TaskState.SUCCESS, TaskState.FAILURE, TaskState.REVOKED, TaskState.SKIPPED})
RUN_FINAL = frozenset({RunStatus.SUCCESS, RunStatus.FAILURE, RunStatus.REVOKED})
RETRYABLE = RUN_FINAL - {RunStatus.SUCCESS}

LOST = "Lost"
"""Type of the error of a task that will not come any more; if it does, it goes on."""
