"""`python -m background.local up | demo`; `run.py` calls it with the project's own Python."""

import argparse
import sys
from pathlib import Path

from background.local.processes import LocalError
from background.local.supervisor import Interrupts

HOME = Path(__file__).resolve().parents[2] / ".local"


def main() -> int:
    """Runs one of the two commands and returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m background.local", description=__doc__)
    parser.add_argument("command", choices=["up", "demo"])
    parser.add_argument("--home", type=Path, default=HOME, help="where servers keep their data and logs")
    arguments = parser.parse_args()
    command, home = arguments.command, arguments.home.resolve()
    interrupts = Interrupts()
    interrupts.install()
    try:
        if command == "up":
            from background.local.up import up

            return up(home, interrupts)
        from background.local.demo import demo

        return demo(home, interrupts)
    except LocalError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"{command} cannot go on: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
