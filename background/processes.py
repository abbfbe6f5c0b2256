"""`migrate`, `api`, `worker`, `flower`: each process with the project's own defaults; `doctor`: can they work?"""

import os
import sys

import typer

NAMES = ("migrate", "api", "worker", "flower", "doctor")
PYTHON = [sys.executable, "-m"]
CELERY = [*PYTHON, "celery", "-A", "background.celery.celery_app"]
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def add_to(app: typer.Typer) -> None:
    """Give `app` these commands."""
    panel = "Processes"
    app.command(rich_help_panel=panel)(migrate)
    app.command(rich_help_panel=panel)(doctor)
    for function in (api, worker, flower):
        app.command(rich_help_panel=panel, context_settings=PASS_ON)(function)


def migrate() -> None:
    """Bring the database to the newest schema; safe to run from many places at once."""
    from background import logs, migrations
    from background.settings import get_settings

    get_settings()
    logs.configure()
    migrations.upgrade()


def doctor() -> None:
    """Look at all that the processes need, and say what is wrong and what to do; exit code 1 if anything is."""
    try:
        from background.settings import get_settings, read_api_keys

        settings = get_settings()
        read_api_keys()
        from background.doctor import examine
    except SystemExit as error:
        print(f"wrong  settings: {error}")
        raise typer.Exit(1) from None
    print("ok     settings: each can be used")
    good = True
    for finding in examine(settings):
        good = good and finding.to_do is None
        print(finding, flush=True)
    raise typer.Exit(0 if good else 1)


def api(context: typer.Context) -> None:
    """Serve the API. Further options go to uvicorn."""
    from background.settings import get_settings, read_api_keys

    settings = get_settings()
    read_api_keys()
    address = ["--host", settings.api_host, "--port", str(settings.api_port)]
    options = ["--lifespan", "on", "--timeout-graceful-shutdown", "3"]
    _become([*PYTHON, "uvicorn", "main:app", *address, *options, *context.args])


def worker(context: typer.Context) -> None:
    """Work. Further options go to celery worker."""
    from background.settings import get_settings

    get_settings()
    _become([*CELERY, "worker", "--loglevel=INFO", *context.args])


def flower(context: typer.Context) -> None:
    """Serve Flower. Further options go to celery flower."""
    from background.settings import get_settings

    settings = get_settings()
    _become([*CELERY, "flower", "--address=127.0.0.1", f"--port={settings.flower_port}", *context.args])


def _become(argv: list[str]) -> None:
    """End as this program, under the same process id."""
    sys.stdout.flush()
    os.execv(argv[0], argv)
