"""`canvas` and `result`: start a canvas, and see what became of it."""

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import RenderableType
from rich.live import Live

from background.cli import trees
from background.cli.errors import ExitCode, invalid
from background.cli.session import Session, api_command

Wait = Annotated[bool, typer.Option("--wait", help="Until nothing of it can change any more.")]


def add_to(app: typer.Typer) -> None:
    """Give `app` these commands."""
    for function in (canvas, result):
        app.command(rich_help_panel="Canvas and documents")(api_command(function))


def canvas(
    session: Session,
    *,
    file: Annotated[Path, typer.Argument(help="A canvas as JSON; - for standard input.", show_default=False)],
    preview: Annotated[bool, typer.Option("--preview", help="What Celery would build; nothing runs.")] = False,
    wait: Wait = False,
) -> None:
    """Run a canvas. With --wait the exit code is 1 unless it succeeds."""
    body = _read(file)
    if preview:
        session.answer(session.api.post("/canvas/preview", body), trees.preview)
    else:
        started(session, session.api.post("/canvas", body), wait=wait)


def result(
    session: Session,
    *,
    task_id: Annotated[UUID, typer.Argument(help="Of a run, of one of its tasks, or of a job.", show_default=False)],
    wait: Wait = False,
) -> None:
    """What became of a run: the verdict, and the tree of its tasks. Exit code 1 if it did not succeed."""
    if wait:
        finished(session, str(task_id))
    else:
        answer = session.api.get(f"/result/{task_id}")
        session.answer(answer, trees.outcome)
        _judge(answer)


def started(session: Session, run: Any, *, wait: bool) -> None:
    """Show a run that has just been started, or wait for its end and judge it."""
    if wait:
        finished(session, run["task_id"])
    else:
        session.answer(run, trees.outcome)


def finished(session: Session, task_id: str) -> None:
    """Follow a run to its end and show it; raises `typer.Exit` with 1 unless it has succeeded."""
    events = session.api.follow(f"/result/{task_id}/events", interrupted=session.interrupted)
    latest = ""

    def tree() -> RenderableType:
        return trees.outcome(json.loads(latest)) if latest else ""

    # A large run is drawn when there is time for it, not at each of its events.
    display = Live(get_renderable=tree, console=session.out, transient=True) if session.live else nullcontext()
    with display:
        for event in events:
            latest = event.data
    answer = session.api.get(f"/result/{task_id}")
    session.answer(answer, trees.outcome)
    _judge(answer)


def _judge(answer: Any) -> None:
    if answer["ready"] and not answer["successful"]:
        raise typer.Exit(ExitCode.FAILED)


def _read(file: Path) -> Any:
    name = "Standard input" if str(file) == "-" else str(file)
    try:
        return json.loads(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes())
    except OSError as error:
        raise invalid(f"{name} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise invalid(f"{name} is not JSON: {error}") from None
