"""A job on the terminal: a bar for each step, or a line for each change where nobody watches."""

from types import TracebackType
from typing import Any, Self

from rich.console import Console as Terminal
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

WIDTH = 24


class JobView:
    """Shows a job whose pipeline has `steps`, as often as it is given its present state."""

    def __init__(self, terminal: Terminal, title: str, steps: list[str]) -> None:
        self._terminal = terminal
        self._title = title
        self._steps = steps
        self._seen: list[tuple[int, str, str]] = []
        self._bars = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[status]}"),
            TimeElapsedColumn(),
            console=terminal,
            disable=not terminal.is_terminal,
        )
        self._rows: dict[int, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        for number, name in enumerate(self._steps, start=1):
            text = f"{self._title}: {number} {name}"[:WIDTH]
            self._rows[number] = self._bars.add_task(f"{text:{WIDTH}}", start=False, total=1.0, status="waiting")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, job: Any) -> None:
        """Brings the display to the state of `job`, as `GET /jobs/{id}` gives it."""
        for step in job["steps"]:
            self._show_step(step)
        if not self._terminal.is_terminal:
            self._print_once(0, job["status"], f"{self._title}: {job['status']}")

    def _show_step(self, step: Any) -> None:
        number, status = step["step_number"], step["status"]
        if not self._terminal.is_terminal:
            self._print_once(number, status, f"{self._title}: step {number} {status}: {step['message']}")
            return
        row = self._rows[number]
        if not self._bars.tasks[row].started:
            self._bars.start_task(row)
        done = 1.0 if status == "COMPLETED" else min(step["progress"], 0.99)
        self._bars.update(row, completed=done, status=status)

    def _print_once(self, number: int, status: str, line: str) -> None:
        if (number, status, line) not in self._seen:
            self._seen.append((number, status, line))
            self._terminal.print(line, markup=False, highlight=False, soft_wrap=True)
