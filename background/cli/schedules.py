"""`schedules`: what runs by itself, and when."""

from typing import Annotated

import typer

from background.cli import tables
from background.cli.jobs import Params, json_object
from background.cli.session import Session, api_command

ScheduleId = Annotated[int, typer.Argument(metavar="SCHEDULE_ID", min=1, show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Give `app` the group of these commands; by itself it lists the schedules."""
    group = typer.Typer(invoke_without_command=True, help="What runs by itself, and when.")
    group.callback()(api_command(schedules))
    for function in (add, show, run, pause, resume, delete):
        group.command()(api_command(function))
    app.add_typer(group, name="schedules", rich_help_panel="Jobs")


def schedules(session: Session) -> None:
    """List the schedules, or do something with them."""
    session.answer(session.api.get("/schedules", limit=1000), tables.schedules_table)


def add(
    session: Session,
    *,
    name: Annotated[str, typer.Argument(show_default=False)],
    pipeline: Annotated[str, typer.Argument(show_default=False)],
    cron: Annotated[
        str | None, typer.Option(help='Minute, hour, day, month, day of the week: "0 3 * * MON-FRI".')
    ] = None,
    every: Annotated[float | None, typer.Option(help="Or so many seconds.", show_default=False)] = None,
    timezone: Annotated[str, typer.Option(help="Whose clocks a cron line means.")] = "UTC",
    params: Params = None,
    catch_up: Annotated[bool, typer.Option("--catch-up", help="Make up for each time that was missed.")] = False,
) -> None:
    """Have jobs of a pipeline made by a cron line or an interval."""
    body = {"name": name, "pipeline": pipeline, "cron": cron, "every_seconds": every, "timezone": timezone}
    given = {} if params is None else json_object(params)
    made = session.api.post("/schedules", {**body, "catch_up": catch_up, "params": given})
    session.answer(made, tables.schedule_details)


def show(session: Session, schedule_id: ScheduleId) -> None:
    """One schedule with its next five times."""
    session.answer(session.api.get(f"/schedules/{schedule_id}"), tables.schedule_details)


def run(session: Session, schedule_id: ScheduleId) -> None:
    """Make a job of it now, paused or not."""
    made = session.api.post(f"/schedules/{schedule_id}/run")
    session.answer(made, lambda job: f"Job {job['job_id']} is {job['status']}.")


def pause(session: Session, schedule_id: ScheduleId) -> None:
    """Have it make no jobs until it is resumed."""
    session.answer(session.api.patch(f"/schedules/{schedule_id}", {"paused": True}), tables.schedule_details)


def resume(session: Session, schedule_id: ScheduleId) -> None:
    """Have it make jobs again, from now on."""
    session.answer(session.api.patch(f"/schedules/{schedule_id}", {"paused": False}), tables.schedule_details)


def delete(session: Session, schedule_id: ScheduleId) -> None:
    """Remove a schedule. Its jobs stay."""
    session.api.delete(f"/schedules/{schedule_id}")
    session.answer({"deleted": schedule_id}, lambda _: f"Schedule {schedule_id} is removed.")
