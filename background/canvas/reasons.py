"""The facts behind a verdict, as a client is told them. `facts` finds them, `wording` says them in English."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from background.canvas.states import LOST


class Code(StrEnum):
    """Every reason there is."""

    NO_WORKER = "no_worker"
    BROKER_DOWN = "broker_down"
    WAITING_FOR_WORKER = "waiting_for_worker"
    DUE_LATER = "due_later"
    WAITING_IN_QUEUE = "waiting_in_queue"
    RUNNING = "running"
    RETRYING = "retrying"
    WORKER_SILENT = "worker_silent"
    FAILED = "failed"
    CHAIN_STOPPED = "chain_stopped"
    CALLBACK_SKIPPED = "callback_skipped"
    LOST = "lost"
    CANCELLED = "cancelled"
    REVOKED = "revoked"
    KILLED = "killed"
    EXPIRED = "expired"
    IGNORED = "ignored"
    REJECTED = "rejected"
    CALLBACK_UNNEEDED = "callback_unneeded"
    RESULTS_EXPIRED = "results_expired"


CODE_OF_ERROR = {
    "Ignore": Code.IGNORED,
    "Reject": Code.REJECTED,
    "TaskExpired": Code.EXPIRED,
    "Killed": Code.KILLED,
    LOST: Code.LOST,
}
"""Errors that Celery has no word for; all others are just failures."""


class Error(BaseModel):
    """Why a task did not succeed."""

    type: str
    message: str
    # Of a lost task, what was lost with it; of one that was stopped between two tries, what the last one failed of.
    how: str | None = Field(None, exclude=True)
    last: "Error | None" = Field(None, exclude=True)


class Named(BaseModel):
    """Tasks of one name: the id of the first, and how many there are."""

    id: str
    name: str
    times: int


class Tasks(BaseModel):
    """Some tasks of a run: how many, and by name, of which at most five are told."""

    count: int
    tasks: list[Named]


class Reason(BaseModel):
    """The facts behind a verdict. `code` says which of them there are; `names` are those of the single ids in it.

    `failed` is the first task that failed of a run that was stopped; `error`, `tries` and `others` are its own then.
    `stopped` had begun, and are not tried again. `has_result`: the result does not come from the culprit, nor from what
    waits for it. `celery` is the version that built the canvas.
    """

    model_config = ConfigDict(use_enum_values=True)

    code: Code
    names: dict[str, str] = {}
    culprit: str | None = None
    callback: str | None = None
    node: str | None = None
    failed: str | None = None
    error: Error | None = None
    how: str | None = None
    worker: str | None = None
    step: int | None = None
    tries: int | None = None
    retries: int | None = None
    others: int | None = None
    ran: Tasks | None = None
    never: Tasks | None = None
    running: Tasks | None = None
    waiting: Tasks | None = None
    called: Tasks | None = None
    stopped: Tasks | None = None
    killed: Tasks | None = None
    expired: Tasks | None = None
    since: datetime | None = None
    due_at: datetime | None = None
    queue: str | None = None
    queued: int | None = None
    workers: int | None = None
    completed: int | None = None
    total: int | None = None
    has_result: bool | None = None
    results_expired: bool | None = None
    celery: str | None = None
