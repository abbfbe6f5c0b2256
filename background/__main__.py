"""`python -m background migrate | api | worker | flower`: each process with the project's own defaults."""

import argparse
import os
import sys

from background import migrations
from background.settings import Settings, get_settings

CELERY = [sys.executable, "-m", "celery", "-A", "background.celery.celery_app"]


def commands(settings: Settings) -> dict[str, list[str]]:
    """What each command starts in place of this process."""
    flower = [*CELERY, "flower", "--address=127.0.0.1", f"--port={settings.flower_port}"]
    return {
        "api": [
            *[sys.executable, "-m", "uvicorn", "main:app", "--host", settings.api_host],
            *["--port", str(settings.api_port), "--timeout-graceful-shutdown", "3"],
        ],
        "worker": [*CELERY, "worker", "--loglevel=INFO"],
        "flower": flower,
    }


def main() -> None:
    """Run the command named on the command line; arguments it does not know go to the process it starts."""
    parser = argparse.ArgumentParser(prog="python -m background", description=__doc__)
    parser.add_argument("command", choices=["migrate", "api", "worker", "flower"])
    chosen, extra = parser.parse_known_args()
    settings = get_settings()
    if chosen.command == "migrate":
        migrations.upgrade()
        return
    argv = commands(settings)[chosen.command]
    if chosen.command == "flower" and settings.flower_basic_auth is not None:
        # Through the environment, so that no process listing shows it.
        os.environ["FLOWER_BASIC_AUTH"] = settings.flower_basic_auth.get_secret_value()
    os.execv(argv[0], [*argv, *extra])


if __name__ == "__main__":
    main()
