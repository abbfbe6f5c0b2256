"""The client of the API, for programs: `Client`, `AsyncClient`, and what they raise.

The models load when they are asked for: a command that prints JSON as it comes starts without them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from background.client.errors import (
    ClientError,
    Conflict,
    Invalid,
    NotAllowed,
    NotFound,
    NotTheApi,
    Refused,
    TooMany,
    Unavailable,
    Unreachable,
    Unusable,
    WaitTimeout,
)
from background.jobs.states import EventKind, JobStatus, StepStatus

if TYPE_CHECKING:
    from background.client.async_client import AsyncClient
    from background.client.client import Client
    from background.client.operations import JobEvent, JobFilters, JobOptions, NewJob
    from background.client.schedules import ScheduleChanges, ScheduleOptions
    from background.jobs.schemas import Job, JobCreated, JobWithHistory
    from background.schedules.schemas import Schedule, ScheduleWithRuns

__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "Conflict",
    "EventKind",
    "Invalid",
    "Job",
    "JobCreated",
    "JobEvent",
    "JobFilters",
    "JobOptions",
    "JobStatus",
    "JobWithHistory",
    "NewJob",
    "NotAllowed",
    "NotFound",
    "NotTheApi",
    "Refused",
    "Schedule",
    "ScheduleChanges",
    "ScheduleOptions",
    "ScheduleWithRuns",
    "StepStatus",
    "TooMany",
    "Unavailable",
    "Unreachable",
    "Unusable",
    "WaitTimeout",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    homes = {"Client": "client", "AsyncClient": "async_client"}
    home = "schedules" if name.startswith("Schedule") else homes.get(name, "operations")
    return getattr(import_module(f"{__name__}.{home}"), name)
