"""Jobs that move on a terminal: bars, or a line for each change where nobody watches."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from rich.cells import set_cell_size
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from background.cli.text import clean
from background.jobs import waiting
from background.jobs.states import ENDED

Json = Mapping[str, Any]

WIDTH = 28
NARROW = 60
"""With fewer columns names and states leave no room for bars and times."""
WIDE = 100
"""With fewer a long bar would leave no room for a sentence."""


class _Took(ProgressColumn):
    """How long it has run, or ran, by the API's times: it may have begun before anybody watched."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        """As `0:00:05`."""
        began, ended = task.fields["began"], task.fields["ended"]
        if began is None:
            return Text("-:--:--")
        took = (_moment(ended) if ended else datetime.now(UTC)) - _moment(began)
        return Text(str(timedelta(seconds=max(0, int(took.total_seconds())))), "progress.elapsed")


class _Says(ProgressColumn):
    """What is said of it, by a function that is asked again: a time to wait goes by without any event."""

    def render(self, task: Task) -> Text:
        """As `IN_PROGRESS`."""
        return Text(clean(task.fields["says"]()))


def why(job: Json) -> Callable[[], str | None]:
    """Says why a job waits, if it does: in the API's sentence, and for how long by now where that is for a time."""
    facts = job.get("waiting") or {}
    if "seconds" not in facts or facts["code"] not in waiting.SENTENCES:
        return lambda: job["waiting_for"]
    due = time.monotonic() + facts["seconds"]

    def told() -> str:
        left = due - time.monotonic()
        return waiting.sentence({**facts, "seconds": left}) if left > 0 else "It is due."

    return told


def _moment(told: str) -> datetime:
    return datetime.fromisoformat(told)


def can_move(terminal: Console) -> bool:
    """Whether something is drawn there, and drawn over: not in a file, nor in the shell of an editor (`TERM=dumb`)."""
    return terminal.is_terminal and not terminal.is_dumb_terminal


class _Bars:
    """A display of named bars; where they cannot move nothing is drawn."""

    def __init__(self, terminal: Console) -> None:
        self._terminal = terminal
        self._live = can_move(terminal)
        self._width = min(WIDTH, terminal.width // 2)
        whole = Column(no_wrap=True)
        bar = BarColumn(bar_width=30 if terminal.width >= WIDE else 8, table_column=whole)
        # What is said of it gives way: it can have several lines.
        says = _Says(table_column=Column(overflow="fold"))
        self._bars = Progress(
            SpinnerColumn(finished_text="✓", table_column=whole),
            TextColumn("{task.description}", markup=False),
            *([says] if terminal.width < NARROW else [bar, says, _Took(table_column=whole)]),
            console=terminal,
            disable=not self._live,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def _add(self, name: str, says: str) -> TaskID:
        text = set_cell_size(clean(name), self._width)
        return self._bars.add_task(text, total=1.0, says=lambda: says, began=None, ended=None)

    def _set(
        self, row: TaskID, *, done: float, says: Callable[[], str], began: str | None, ended: str | None = None
    ) -> None:
        self._bars.update(row, completed=done, says=says, began=began, ended=ended)

    def say(self, line: str) -> None:
        """A line above the bars."""
        self._terminal.print(clean(line), markup=False, highlight=False, soft_wrap=True)


class JobView(_Bars):
    """Shows a job whose plan has `steps`, as often as it is given its present state."""

    def __init__(self, terminal: Console, title: str, steps: Sequence[str]) -> None:
        super().__init__(terminal)
        self._title = title
        self._said: dict[int, str] = {}
        self._rows = {
            number: self._add(f"{title}: {number} {name}", "waiting") for number, name in enumerate(steps, start=1)
        }

    def show(self, job: Json) -> None:
        """Brings the display to the state of `job`, as `GET /jobs/{id}` gives it."""
        if not self._live and job["status"] not in ENDED:
            self._say_once(
                0, f"{self._title}: {job['status']}{f': {reason}' if (reason := job['waiting_for']) else ''}"
            )
        for step in job["steps"]:
            self._show_step(step)
        if self._live:
            self._show_why(job)

    def _show_why(self, job: Json) -> None:
        done = {step["step_number"] for step in job["steps"] if step["status"] == "COMPLETED"}
        row = next((row for number, row in self._rows.items() if number not in done), None)
        if job["waiting_for"] and row is not None:
            self._bars.update(row, says=why(job))

    def _show_step(self, step: Json) -> None:
        number, status = step["step_number"], step["status"]
        if not self._live:
            self._say_once(number, f"{self._title}: step {number} {status}: {step['message']}")
            return
        if number not in self._rows:
            self._rows[number] = self._add(f"{self._title}: {number} {step['name']}", status)
        done = 1.0 if status == "COMPLETED" else min(step["progress"], 0.99)
        began, ended = step["started_at"], step["completed_at"]
        self._set(self._rows[number], done=done, says=lambda: status, began=began, ended=ended)

    def _say_once(self, number: int, line: str) -> None:
        if self._said.get(number) != line:
            self._said[number] = line
            self.say(line)


class JobsView(_Bars):
    """Shows all jobs that have not ended, one bar each, and a line for each that ends."""

    def __init__(self, terminal: Console) -> None:
        super().__init__(terminal)
        self._rows: dict[int, TaskID] = {}

    def reset(self, jobs: Sequence[Json]) -> None:
        """What is under way right now; a job that is not among them has ended unseen."""
        for gone in set(self._rows) - {job["id"] for job in jobs}:
            self._remove(gone)
        for job in jobs:
            self._draw(job)

    def show(self, kind: str, job: Json) -> None:
        """Something has happened to `job`."""
        if job["status"] in ENDED and self._live:
            self._remove(job["id"])
        if not self._live or kind in ("completed", "failed", "cancelled"):
            self.say(f"Job {job['id']} {job['pipeline']}: {kind.replace('_', ' ')}{self._about(job)()}")
        if job["status"] not in ENDED:
            self._draw(job)

    def _draw(self, job: Json) -> None:
        if self._rows.get(job["id"]) is None:
            self._rows[job["id"]] = self._add(f"Job {job['id']} {job['pipeline']}", job["status"])
        done = sum(1.0 if step["status"] == "COMPLETED" else step["progress"] for step in job["steps"])
        about = self._about(job)
        self._set(
            self._rows[job["id"]],
            done=min(done / len(job["step_names"]), 0.99),
            says=lambda: f"{job['status']}{about()}",
            began=job["started_at"],
        )

    def _remove(self, job_id: int) -> None:
        if (row := self._rows.pop(job_id, None)) is not None:
            self._bars.remove_task(row)

    def _about(self, job: Json) -> Callable[[], str]:
        running = [f"step {each['step_number']} {each['name']}" for each in job["steps"] if not each["completed_at"]]
        otherwise, waits = job["error"] or ", ".join(running), why(job)
        return lambda: f": {about}" if (about := waits() or otherwise) else ""
