"""`queues`: what waits and runs in each, pauses, and limits."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from background.cli import tables
from background.cli.errors import invalid
from background.cli.session import Session, api_command

Name = Annotated[str, typer.Argument(show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Give `app` the group of these commands; by itself it lists the queues."""
    group = typer.Typer(invoke_without_command=True, help="What waits and runs where, pauses, and limits.")
    group.callback()(api_command(queues))
    for function in (pause, resume, limit):
        group.command()(api_command(function))
    app.add_typer(group, name="queues", rich_help_panel="Jobs")


def queues(session: Session) -> None:
    """List the queues, or do something with them."""
    session.answer(session.api.get("/queues"), tables.queues_table)


def pause(session: Session, name: Name) -> None:
    """Have nothing more begin in a queue; what runs goes on."""
    _change(session, name, {"paused": True})


def resume(session: Session, name: Name) -> None:
    """Let jobs of a queue begin again."""
    _change(session, name, {"paused": False})


def limit(
    session: Session,
    *,
    name: Name,
    concurrency: Annotated[int | None, typer.Option(help="So many run at once.", show_default=False)] = None,
    rate: Annotated[
        str | None,
        typer.Option(
            metavar="COUNT/SECONDS", help="So many begin within any so many seconds: 10/60.", show_default=False
        ),
    ] = None,
    no_concurrency: Annotated[bool, typer.Option("--no-concurrency", help="Remove that limit.")] = False,
    no_rate: Annotated[bool, typer.Option("--no-rate", help="Remove that limit.")] = False,
) -> None:
    """Limit a queue, or remove a limit; what is not named stays as it is."""
    change: dict[str, Any] = {}
    if concurrency is not None or no_concurrency:
        change["concurrency"] = concurrency
    if rate is not None or no_rate:
        change["rate"] = None if rate is None else _rate(rate)
    if not change:
        raise invalid("Name a limit: --concurrency, --rate, --no-concurrency or --no-rate.")
    if (no_concurrency and concurrency is not None) or (no_rate and rate is not None):
        raise invalid("Set a limit or remove it; not both.")
    _change(session, name, change)


def _rate(text: str) -> dict[str, float]:
    count, _, seconds = text.partition("/")
    try:
        return {"count": int(count), "seconds": float(seconds)}
    except ValueError:
        raise invalid(f"--rate must be COUNT/SECONDS, as 10/60, and is: {text}") from None


def _change(session: Session, name: str, change: dict[str, Any]) -> None:
    changed = session.api.patch(f"/queues/{quote(name, safe='')}", change)
    session.answer(changed, lambda queue: tables.queues_table([queue]))
