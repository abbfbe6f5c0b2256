"""`submit`, `watch`, `jobs`, `job`, `cancel`, `retry`, `delete`, and `workers`, who do the work."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from background.cli import tables
from background.cli.bars import JobsView, JobView
from background.cli.errors import CommandFailed, ExitCode, invalid
from background.cli.finding import Wanted, act, filtered, parted
from background.cli.session import Session, api_command
from background.jobs.states import ENDED, JobStatus

if TYPE_CHECKING:
    from background.client.events import ServerEvent

JobId = Annotated[int, typer.Argument(metavar="JOB_ID", min=1, show_default=False)]
JobIds = Annotated[list[int] | None, typer.Argument(metavar="[JOB_ID...]", min=1, show_default=False)]
All = Annotated[bool, typer.Option("--all", help="All jobs there are.")]
Params = Annotated[
    str | None, typer.Option("--params", metavar="JSON", help="All parameters, as a JSON object.", show_default=False)
]


def add_to(app: typer.Typer) -> None:
    """Give `app` these commands."""
    commands: tuple[Callable[..., None], ...] = (submit, watch, jobs, job, cancel, retry, delete, workers)
    for function in commands:
        app.command(rich_help_panel="Jobs")(api_command(function))


def submit(
    session: Session,
    *,
    pipeline: Annotated[str | None, typer.Argument(help="What to run; demo if omitted.", show_default=False)] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="NAME=VALUE", help="One parameter; JSON, or else text. May be repeated."),
    ] = None,
    params: Params = None,
    priority: Annotated[int | None, typer.Option(help="0 to 9; 9 goes first.", show_default=False)] = None,
    delay: Annotated[float | None, typer.Option(help="Seconds until it may begin.", show_default=False)] = None,
    max_attempts: Annotated[
        int | None, typer.Option(help="Failures it may have, 1 to 100.", show_default=False)
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="May be repeated.", show_default=False)] = None,
    unique_key: Annotated[
        str | None, typer.Option(help="While a job with this key has not ended, that is the job.", show_default=False)
    ] = None,
    unique_seconds: Annotated[
        float | None, typer.Option(help="Also for so long after it was made.", show_default=False)
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key gives the same job, however often it is sent.", show_default=False)
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until it has ended, then show it.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="See it run.")] = False,
) -> None:
    """Store a job. With --wait or --watch the exit code is 1 unless it is COMPLETED."""
    given = {
        "pipeline": pipeline,
        "params": {**(json_object(params) if params is not None else {}), **dict(map(_pair, param or []))} or None,
        "priority": priority,
        "delay_seconds": delay,
        "max_attempts": max_attempts,
        "tags": tag,
        "unique_key": unique_key,
        "unique_seconds": unique_seconds,
    }
    body = {name: value for name, value in given.items() if value is not None}
    headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
    created = session.api.post("/jobs", body, headers=headers)
    if wait or watch:
        session.note(f"Job {created['job_id']} is {created['status']}.")
        _stay(session, created["job_id"], moving=watch)
    else:
        session.answer(created, lambda made: f"Job {made['job_id']} is {made['status']}.")


def watch(
    session: Session,
    job_id: Annotated[
        int | None, typer.Argument(metavar="[JOB_ID]", min=1, help="All jobs, without end, if omitted.")
    ] = None,
) -> None:
    """See a job run to its end, or all jobs until Ctrl-C. Goes on when the API was away for up to a minute."""
    if job_id is None:
        _watch_all(session)
    else:
        _stay(session, job_id, moving=True)


@filtered
def jobs(session: Session, *, wanted: Wanted, limit: Annotated[int, typer.Option(help="1 to 1000.")] = 20) -> None:
    """The newest jobs, of all or of those that are meant."""
    found = session.api.get("/jobs", **wanted, limit=limit)
    session.answer(found, tables.jobs_table)


def job(
    session: Session,
    *,
    job_id: JobId,
    events_before: Annotated[
        int | None, typer.Option(help="Of a long history what is older than this event.", min=1, show_default=False)
    ] = None,
) -> None:
    """One job with its steps and its history."""
    session.answer(session.api.get(f"/jobs/{job_id}", events_before=events_before), tables.job_details)


@filtered
def cancel(session: Session, *, wanted: Wanted, job_ids: JobIds = None, everything: All = False) -> None:
    """Cancel jobs: a waiting one at once, a running one before its next step. All of them, also after a problem."""
    if not job_ids:
        act(session, "cancel", wanted, everything=everything)
        return
    _only_ids(wanted, everything)
    done = _each(job_ids, lambda job_id: session.api.post(f"/jobs/{job_id}/cancel"))
    if done.answers or session.as_json:
        session.answer(done.answers, tables.jobs_table)
    if done.problems:
        raise CommandFailed("Not cancelled:", ExitCode.NOT_POSSIBLE, details=done.problems)


@filtered
def delete(session: Session, *, wanted: Wanted, job_ids: JobIds = None, everything: All = False) -> None:
    """Delete jobs that have ended, with their history. All of them, also after a problem."""
    if not job_ids:
        act(session, "delete", wanted, everything=everything)
        return
    _only_ids(wanted, everything)
    done = _each(job_ids, lambda job_id: session.api.delete(f"/jobs/{job_id}"))
    total = {"matched": len(job_ids), "done": len(done.answers), "refused": len(done.problems)}
    session.answer(total, lambda told: f"{told['done']:,} deleted.")
    if done.problems:
        raise CommandFailed("Not deleted:", ExitCode.NOT_POSSIBLE, details=done.problems)


class _Done(NamedTuple):
    answers: list[Any]
    problems: list[str]


def _each(job_ids: list[int], ask: Callable[[int], Any]) -> _Done:
    from background.client import Conflict, NotFound

    done = _Done([], [])
    for job_id in job_ids:
        try:
            done.answers.append(ask(job_id))
        except (NotFound, Conflict) as error:
            done.problems.append(str(error))
    return done


def _only_ids(wanted: Wanted, everything: bool) -> None:
    if wanted or everything:
        raise invalid("Name jobs, or say which by options; not both.")


@filtered
def retry(
    session: Session,
    *,
    wanted: Wanted,
    job_id: Annotated[int | None, typer.Argument(metavar="[JOB_ID]", min=1, show_default=False)] = None,
    everything: All = False,
    from_step: Annotated[
        int | None, typer.Option(help="Run this step and those after it again.", show_default=False)
    ] = None,
    params: Params = None,
) -> None:
    """Let an ended job go on where it stopped, or from a step; --params replace all it had. Or all that are meant."""
    if job_id is None:
        if from_step is not None or params is not None:
            raise invalid("--from-step and --params are for one job.")
        act(session, "retry", wanted, everything=everything)
        return
    _only_ids(wanted, everything)
    given = {"from_step": from_step, "params": None if params is None else json_object(params)}
    body = {name: value for name, value in given.items() if value is not None}
    session.answer(session.api.post(f"/jobs/{job_id}/retry", body), lambda again: tables.jobs_table([again]))


def workers(session: Session) -> None:
    """Who is alive, who was lost, and what each runs."""
    session.answer(session.api.get("/workers"), tables.workers_table)


def _stay(session: Session, job_id: int, *, moving: bool) -> None:
    """Follow a job to its end and show it; raises `typer.Exit` with 1 unless it is COMPLETED."""
    events = session.api.follow(f"/jobs/{job_id}/events", interrupted=session.interrupted)
    if session.as_json and moving:
        for event in events:
            session.line(_plain(event))
    elif moving:
        title = f"Job {job_id}"
        with JobView(session.out, title, session.api.get(f"/jobs/{job_id}")["step_names"]) as view:
            for event in events:
                view.show(json.loads(event.data))
    else:
        for _ in events:
            pass
    ended = session.api.get(f"/jobs/{job_id}")
    if not moving:
        session.answer(ended, tables.job_details)
    elif not session.as_json:
        session.out.print(tables.ending(ended))
    if ended["status"] != JobStatus.COMPLETED:
        raise typer.Exit(ExitCode.FAILED)


def _watch_all(session: Session) -> None:
    if session.as_json:
        for event in session.api.follow("/events", interrupted=session.interrupted):
            session.line(_plain(event))
        return
    if session.live:
        session.note("All jobs under way; Ctrl-C ends this.")
    with JobsView(session.out) as view:

        def look() -> None:
            # After the stream is open, so that nothing happens between the two.
            open_jobs = (status for status in JobStatus if status not in ENDED)
            view.reset([job for status in open_jobs for job in session.api.get("/jobs", status=status)])

        for event in session.api.follow("/events", opened=look, interrupted=session.interrupted):
            view.show(event.kind, json.loads(event.data))


def _plain(event: "ServerEvent") -> dict[str, Any]:
    return {"id": event.id, "event": event.kind, "data": json.loads(event.data)}


def _no_constant(name: str) -> Any:
    # Python reads them, but JSON has neither NaN nor Infinity.
    raise ValueError(f"it has no {name}")


def json_object(text: str) -> dict[str, Any]:
    """What `--params` has said. Raises `CommandFailed`."""
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except ValueError as error:
        raise invalid(f"--params is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise invalid('--params must be a JSON object, such as {"step_seconds": 1}')
    return found


def _pair(text: str) -> tuple[str, Any]:
    name, value = parted(text)
    try:
        return name, json.loads(value, parse_constant=_no_constant)
    except ValueError:
        return name, value
