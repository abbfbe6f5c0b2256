"""The commands that talk to the API, and the options that may also stand before a command's name."""

from typing import Annotated

import typer

from background.base.version import version
from background.cli import canvas, documents, jobs, queues, schedules
from background.cli.session import AsJson, Given


def add_to(app: typer.Typer) -> None:
    """Give `app` all commands of the client."""
    app.callback()(remember)
    jobs.add_to(app)
    schedules.add_to(app)
    queues.add_to(app)
    canvas.add_to(app)
    documents.add_to(app)


def _tell_version(asked: bool) -> None:
    if asked:
        print(f"Celery Playground {version()}")
        raise typer.Exit


def remember(
    context: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(
            envvar="PLAYGROUND_URL",
            help="Where the API is; what API_HOST and API_PORT say if omitted.",
            show_default=False,
        ),
    ] = None,
    api_key: Annotated[
        str | None, typer.Option(envvar="PLAYGROUND_API_KEY", help="A key of API_KEYS.", show_default=False)
    ] = None,
    as_json: AsJson = False,
    _: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Tell the version, and end.")
    ] = False,
) -> None:
    """Keep what was said before the command's name."""
    context.obj = Given(url, api_key, as_json)
