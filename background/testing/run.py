"""What became of a job that a test has run: see `alone`."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from background.jobs.outputs import Outputs
from background.jobs.pipeline import Pipeline
from background.jobs.states import EventKind, JobStatus


class Event(NamedTuple):
    """Something that happened to the job at so many `seconds` of its time, as in its history."""

    kind: str
    seconds: float
    attempt: int
    step: str | None
    message: str | None


class LogLine(NamedTuple):
    """What a step has logged."""

    step: str
    level: str
    message: str


class Progress(NamedTuple):
    """How far a step has said that it is, from 0 to 1."""

    step: str
    fraction: float
    message: str | None


@dataclass
class Run:
    """What became of a job. `outputs` are as later steps are given them; `seconds` it would have taken.

    `result` is what its last step returned, `error` the failure that it ended with; `attempts` counts claims,
    `failures` what was held against it. `logs` has what steps logged, `progress` what they reported, `effects` what
    they recorded by `context.once`.
    """

    pipeline: Pipeline
    status: JobStatus = JobStatus.PENDING
    attempts: int = 0
    failures: int = 0
    error: str | None = None
    seconds: float = 0.0
    stored: dict[str, Any] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    logs: list[LogLine] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    effects: dict[tuple[str, str], Any] = field(default_factory=dict)
    step_failures: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)

    @property
    def outputs(self) -> Mapping[str, Any]:
        """What each step has returned, in the type that it declares."""
        return Outputs(self.stored, self.pipeline.codec)

    @property
    def result(self) -> Any:
        """What the last step has returned, as the API shows it; `None` unless the job is COMPLETED."""
        return self.stored[[*self.pipeline.steps][-1]] if self.status is JobStatus.COMPLETED else None

    def note(self, kind: EventKind, step: str | None = None, message: str | None = None) -> None:
        """Add to its history."""
        self.events.append(Event(kind.value, self.seconds, self.attempts, step, message))
