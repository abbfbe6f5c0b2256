"""The options that say which jobs are meant, of every command that lists them or does something to all of them."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from background.cli.errors import invalid
from background.cli.session import Session
from background.jobs.states import JobStatus

AT_ONCE = 1000
"""How many jobs one request changes, so that somebody sees it go on."""
DONE = {"cancel": "cancelled", "retry": "retried", "delete": "deleted"}

STATUSES = [status.value for status in JobStatus]

Wanted = dict[str, Any]
_Text = str | None


def _statuses(given: list[str] | None) -> list[str]:
    for each in given or []:
        if each.upper() not in STATUSES:
            raise typer.BadParameter(f"{each!r} is none of {', '.join(STATUSES)}.")
    return [each.upper() for each in given or []]


def _completed(incomplete: str) -> list[str]:
    # Typer leaves out what does not begin with the same letters, capital or not.
    names = [each.lower() for each in STATUSES] if incomplete.islower() else STATUSES
    return [each for each in names if each.startswith(incomplete)]


OPTIONS: dict[str, Any] = {
    "status": Annotated[
        list[str] | None,
        typer.Option(
            metavar=" | ".join(STATUSES),
            help="Any of these.",
            show_default=False,
            callback=_statuses,
            autocompletion=_completed,
        ),
    ],
    "tag": Annotated[list[str] | None, typer.Option(help="All of these.", show_default=False)],
    "pipeline": Annotated[_Text, typer.Option(show_default=False)],
    "queue": Annotated[_Text, typer.Option(show_default=False)],
    "worker": Annotated[_Text, typer.Option(help="The last that had it.", show_default=False)],
    "param": Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter; address.city is nested."),
    ],
    "error": Annotated[_Text, typer.Option(help="A part of the error's text.", show_default=False)],
    "created_after": Annotated[_Text, typer.Option(metavar="TIME", help="As 2026-11-26T09:30:00Z.")],
    "created_before": Annotated[_Text, typer.Option(metavar="TIME", help="As 2026-11-26T09:30:00Z.")],
}


def filtered(function: Callable[..., None]) -> Callable[..., None]:
    """A function for `api_command` that has these options too, and is given what they say as `wanted`: a query."""
    signature = inspect.signature(function, eval_str=True)
    own = [each for each in signature.parameters.values() if each.name != "wanted"]
    keyword = inspect.Parameter.KEYWORD_ONLY
    shared = [inspect.Parameter(name, keyword, annotation=kind, default=None) for name, kind in OPTIONS.items()]

    @functools.wraps(function)
    def run(session: Session, **arguments: Any) -> None:
        given = {name: arguments.pop(name) for name in OPTIONS}
        function(session, **arguments, wanted=_wanted(given))

    run.__signature__ = signature.replace(parameters=[*own, *shared])  # type: ignore[attr-defined]
    return run


def _wanted(given: dict[str, Any]) -> Wanted:
    named: Wanted = {}
    for pair in given.pop("param") or []:
        name, value = parted(pair)
        named.setdefault(f"param.{name}", []).append(value)
    return {**{name: value for name, value in given.items() if value not in (None, [])}, **named}


def parted(pair: str) -> tuple[str, str]:
    """Name and value of a `--param`. Raises `CommandFailed`."""
    name, equals, value = pair.partition("=")
    if not (name and equals):
        raise invalid(f"--param must be NAME=VALUE, and is: {pair}")
    return name, value


def act(session: Session, action: str, wanted: Wanted, *, everything: bool) -> None:
    """Do this to all jobs that are meant, and tell what came of it."""
    if not wanted and not everything:
        raise invalid("Name a job, or say which jobs by --status, --tag, --param and the like; --all is all of them.")
    total = {"matched": 0, "done": 0, "refused": 0}
    before: int | None = None
    while True:
        which = wanted if before is None else {**wanted, "before": before}
        came = session.api.post("/jobs/actions", {"action": action, "filter": which, "limit": AT_ONCE})
        total = {name: number + came[name] for name, number in total.items()}
        before = came["before"]
        if before is None:
            break
        if session.live:
            session.note(f"{total['matched']:,} so far")
    session.answer(
        total, lambda told: "{matched:,} match: {done:,} {what}, {refused:,} refused.".format(**told, what=DONE[action])
    )
