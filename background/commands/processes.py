"""Each process with the project's own defaults; `doctor`: can they work? `up`, `demo`: all of them, on this machine."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

NAMES = ("migrate", "api", "worker", "flower", "doctor", "up", "demo", "new")
PYTHON = [sys.executable, "-m"]
CELERY = [*PYTHON, "celery", "-A", "background.celery.celery_app"]
APPLICATION = "background.app:create_app"
FLOWER_CONFIGURATION = Path(__file__).parents[1] / "http" / "flowerconfig.py"
APP_HELP = "The ASGI application to serve, such as shop.app:app, in place of the one that comes with this."
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def add_to(app: typer.Typer) -> None:
    """Give `app` these commands."""
    panel = "Processes"
    app.command(rich_help_panel=panel)(migrate)
    app.command(rich_help_panel=panel)(doctor)
    app.command(rich_help_panel=panel)(up)
    app.command(rich_help_panel=panel)(demo)
    app.command(rich_help_panel=panel)(new)
    for function in (api, worker, flower):
        app.command(rich_help_panel=panel, context_settings=PASS_ON)(function)


class Part(StrEnum):
    """What has tables that may be left out."""

    CANVAS = "canvas"


def migrate(
    without: Annotated[Part | None, typer.Option(help="Leave its tables out; `migrate` alone adds them later.")] = None,
) -> None:
    """Bring the database to the newest schema; safe to run from many places at once."""
    from background import migrations
    from background.base import logs
    from background.settings import get_settings

    logs.configure(get_settings().log_format)
    migrations.upgrade(migrations.WITHOUT_CANVAS if without else migrations.ALL)


def doctor() -> None:
    """Look at all that the processes need, and say what is wrong and what to do; exit code 1 if anything is."""
    try:
        from background.settings import get_settings, read_api_keys

        settings = get_settings()
        read_api_keys()
        from background.commands.doctor import examine
    except SystemExit as error:
        print(f"wrong  settings: {error}")
        raise typer.Exit(1) from None
    print("ok     settings: each can be used")
    good = True
    for finding in examine(settings):
        good = good and finding.to_do is None
        print(finding, flush=True)
    raise typer.Exit(0 if good else 1)


def api(context: typer.Context, app: Annotated[str | None, typer.Option(help=APP_HELP)] = None) -> None:
    """Serve the API. Further options go to uvicorn."""
    from background.settings import get_settings, read_api_keys

    settings = get_settings()
    read_api_keys()
    address = ["--host", settings.api_host, "--port", str(settings.api_port)]
    options = ["--lifespan", "on", "--timeout-graceful-shutdown", "3"]
    served = ["--factory", APPLICATION] if app is None else [app]
    _become([*PYTHON, "uvicorn", *served, *address, *options, *context.args])


def worker(context: typer.Context) -> None:
    """Work, for the queues of all pipelines unless -Q names others. Further options go to celery worker."""
    from background.base.queue_names import QUEUE
    from background.jobs import registry
    from background.settings import get_settings

    get_settings()
    queues = dict.fromkeys([QUEUE, *(each.queue for each in registry.pipelines().values())])
    named = len(queues) > 1 and not any(each.startswith(("-Q", "--queues")) for each in context.args)
    options = [f"--queues={','.join(queues)}"] if named else []
    _become([*CELERY, "worker", "--loglevel=INFO", *options, *context.args])


def flower(context: typer.Context) -> None:
    """Serve Flower. Further options go to celery flower."""
    from background.settings import get_settings

    settings = get_settings()
    options = [f"--conf={FLOWER_CONFIGURATION}", "--address=127.0.0.1", f"--port={settings.flower_port}"]
    _become([*CELERY, "flower", *options, *context.args])


def up(app: Annotated[str | None, typer.Argument(help=APP_HELP, show_default=False)] = None) -> None:
    """Serve until Ctrl-C: API, worker, Flower, and PostgreSQL and Valkey unless others are named; state in .local."""
    _become([*PYTHON, "background.local", "up", *([] if app is None else ["--app", app])])


def demo() -> None:
    """Start everything, run one job and each kind of canvas, stop; exit code 0 if all succeeded."""
    _become([*PYTHON, "background.local", "demo"])


def new(name: Annotated[str, typer.Argument(help="Of the directory and of the package in it, such as shop.")]) -> None:
    """Make a project of your own that uses this package: pipelines, an app, tests, a compose file, a README."""
    from background.commands.new import CannotMake, make

    try:
        made = make(name, Path.cwd())
    except CannotMake as error:
        typer.echo(error, err=True)
        raise typer.Exit(2) from None
    print(f"{made.name} is made. In that directory:\n  uv run pytest\n  uv run playground up {name}.app:app")


def _become(argv: list[str]) -> None:
    """End as this program, under the same process id."""
    sys.stdout.flush()
    os.execv(argv[0], argv)
