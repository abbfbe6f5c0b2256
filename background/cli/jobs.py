"""`submit`, `watch`, `jobs`, `job`, `cancel`, `retry`, and `workers`, who do the work."""

import json
from typing import Annotated, Any

import typer

from background.cli import tables
from background.cli.bars import JobsView, JobView
from background.cli.errors import CommandFailed, ExitCode, invalid
from background.cli.session import Session, api_command
from background.cli.streams import Event, follow
from background.jobs.states import ENDED, JobStatus

JobId = Annotated[int, typer.Argument(metavar="JOB_ID", min=1, show_default=False)]
JobIds = Annotated[list[int], typer.Argument(metavar="JOB_ID...", min=1, show_default=False)]
Params = Annotated[
    str | None, typer.Option("--params", metavar="JSON", help="All parameters, as a JSON object.", show_default=False)
]


def add_to(app: typer.Typer) -> None:
    """Give `app` these commands."""
    for function in (submit, watch, jobs, job, cancel, retry, workers):
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
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key gives the same job, however often it is sent.", show_default=False)
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until it has ended, then show it.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="See it run.")] = False,
) -> None:
    """Store a job. With --wait or --watch the exit code is 1 unless it is COMPLETED."""
    given = {
        "pipeline": pipeline,
        "params": {**(_object(params) if params is not None else {}), **dict(map(_pair, param or []))} or None,
        "priority": priority,
        "delay_seconds": delay,
        "max_attempts": max_attempts,
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


def jobs(
    session: Session,
    *,
    status: Annotated[JobStatus | None, typer.Option(case_sensitive=False, show_default=False)] = None,
    pipeline: Annotated[str | None, typer.Option(show_default=False)] = None,
    limit: Annotated[int, typer.Option(help="1 to 1000.")] = 20,
) -> None:
    """The newest jobs."""
    found = session.api.get("/jobs", status=status, pipeline=pipeline, limit=limit)
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


def cancel(session: Session, job_ids: JobIds) -> None:
    """Cancel jobs: a waiting one at once, a running one before its next step. All of them, also after a problem."""
    done, problems = [], []
    for job_id in job_ids:
        try:
            done.append(session.api.post(f"/jobs/{job_id}/cancel"))
        except CommandFailed as error:
            if error.code is not ExitCode.NOT_POSSIBLE:
                raise
            problems.append(str(error))
    if done or session.as_json:
        session.answer(done, tables.jobs_table)
    if problems:
        raise CommandFailed("Not cancelled:", ExitCode.NOT_POSSIBLE, details=problems)


def retry(
    session: Session,
    *,
    job_id: JobId,
    from_step: Annotated[
        int | None, typer.Option(help="Run this step and those after it again.", show_default=False)
    ] = None,
    params: Params = None,
) -> None:
    """Let an ended job go on where it stopped, or from a step; --params replace all it had."""
    given = {"from_step": from_step, "params": None if params is None else _object(params)}
    body = {name: value for name, value in given.items() if value is not None}
    session.answer(session.api.post(f"/jobs/{job_id}/retry", body), lambda again: tables.jobs_table([again]))


def workers(session: Session) -> None:
    """Who is alive, who was lost, and what each runs."""
    session.answer(session.api.get("/workers"), tables.workers_table)


def _stay(session: Session, job_id: int, *, moving: bool) -> None:
    """Follow a job to its end and show it; raises `typer.Exit` with 1 unless it is COMPLETED."""
    events = follow(session.api, f"/jobs/{job_id}/events", interrupted=session.interrupted)
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
        for event in follow(session.api, "/events", interrupted=session.interrupted):
            session.line(_plain(event))
        return
    if session.live:
        session.note("All jobs under way; Ctrl-C ends this.")
    with JobsView(session.out) as view:

        def look() -> None:
            # After the stream is open, so that nothing happens between the two.
            open_jobs = (status for status in JobStatus if status not in ENDED)
            view.reset([job for status in open_jobs for job in session.api.get("/jobs", status=status)])

        for event in follow(session.api, "/events", opened=look, interrupted=session.interrupted):
            view.show(event.kind, json.loads(event.data))


def _plain(event: Event) -> dict[str, Any]:
    return {"id": event.id, "event": event.kind, "data": json.loads(event.data)}


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise invalid(f"--params is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise invalid('--params must be a JSON object, such as {"step_seconds": 1}')
    return found


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise invalid(f"--param must be NAME=VALUE, and is: {text}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
