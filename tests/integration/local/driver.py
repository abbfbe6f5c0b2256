"""A supervisor over dummy programs, as a process of its own: `python -m tests.integration.local.driver PLAN`.

PLAN is JSON: `preparations` and `services`, lists of `[name, Python code]`, and `servers`, a directory for a real
PostgreSQL and Valkey or null. It prints `READY` when everything is.
"""

import json
import sys
from pathlib import Path

from background.local.children import LocalError
from background.local.console import Console
from background.local.postgres import EmbeddedPostgres
from background.local.server import Server
from background.local.supervisor import Interrupts, Service, Stopped, Supervisor
from background.local.valkey import EmbeddedValkey
from tests.support import free_port


def dummies(plan: list[list[str]]) -> list[Service]:
    """A service is ready when the file that its code may make beside itself says so, or else at once."""
    return [Service(name=name, argv=[sys.executable, "-u", "-c", code]) for name, code in plan]


def servers(directory: str | None) -> list[Server]:
    """A real PostgreSQL and a real Valkey below `directory`."""
    if directory is None:
        return []
    home = Path(directory)
    postgres = EmbeddedPostgres(
        home / "postgres", free_port(), user="postgres", password="postgres", database="celery_jobs"
    )
    return [postgres, EmbeddedValkey(home / "valkey", free_port())]


def main() -> int:
    """Runs the plan until a signal; 0 for a stop that was asked for."""
    plan = json.loads(sys.argv[1])
    interrupts = Interrupts()
    interrupts.install()
    console = Console()
    supervisor = Supervisor(
        servers=servers(plan.get("servers")),
        preparations=dummies(plan.get("preparations", [])),
        services=dummies(plan.get("services", [])),
        console=console,
        interrupts=interrupts,
    )
    try:
        supervisor.start(patience=30)
        console.say("READY")
        supervisor.watch()
    except Stopped:
        return 0
    except LocalError as error:
        console.say(f"FAILED {error}")
    finally:
        supervisor.stop()
        console.flush()
    return 1


if __name__ == "__main__":
    sys.exit(main())
