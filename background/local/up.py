"""`up`: the whole system until Ctrl-C."""

from collections.abc import Mapping
from pathlib import Path

from background.local.checks import answers, works
from background.local.children import LocalError
from background.local.console import Console
from background.local.lock import only_one
from background.local.plan import Plan, make_plan, require_ports
from background.local.server import HOST
from background.local.supervisor import Interrupts, Service, Stopped, Supervisor, python_module
from background.settings import get_key_settings, get_settings, read_api_keys


def up(home: Path, interrupts: Interrupts, *, app: str | None = None) -> int:
    """Serves until asked to stop; returns the exit code, 0 for a stop that was asked for.

    `app` names an application to serve in place of our own.

    Raises `LocalError` where it cannot begin: it runs already, or a port is taken.
    """
    with only_one(home / "lock") as lock:
        settings = get_settings()
        read_api_keys()
        keys = get_key_settings().environment
        require_ports(settings)
        plan = make_plan(settings, home, flower_url=settings.flower_url or f"http://{HOST}:{settings.flower_port}")
        console = Console()
        supervisor = Supervisor(
            servers=plan.servers,
            preparations=[migration(plan)],
            services=[api(plan, keys=keys, app=app), worker(plan), flower(plan)],
            console=console,
            interrupts=interrupts,
            keep=[lock],
        )
        return _serve(supervisor, addresses(plan, is_ours=app is None), console)


def _serve(supervisor: Supervisor, told: list[str], console: Console) -> int:
    try:
        supervisor.start()
        for line in told:
            console.say(line)
        supervisor.watch()
    except Stopped:
        console.say("Stopping")
        return 0
    except LocalError as error:
        console.say(str(error))
        return 1
    finally:
        supervisor.stop()
        console.flush()
    return 0


def addresses(plan: Plan, *, is_ours: bool) -> list[str]:
    """What the user wants to know once all is ready; where the page is in another application, only that knows."""
    return [
        "",
        *([f"  Web page    {plan.api}/ui/"] if is_ours else []),
        f"  API         {plan.api}",
        f"  API docs    {plan.api}/docs",
        f"  Flower      {plan.flower}",
        f"  PostgreSQL  {plan.postgres}",
        f"  Redis       {plan.broker}",
        *(f"  {name.upper()}_FILE={path}" for name, path in plan.secrets.items()),
        "",
        "  Ready. Ctrl-C stops everything; the data stays in .local and data.",
        "",
    ]


def migration(plan: Plan, *, log: Path | None = None) -> Service:
    """Brings the database to the newest schema and ends."""
    return Service(name="migrate", argv=python_module("background", "migrate"), env=plan.env, log=log)


def api(plan: Plan, *, keys: Mapping[str, str], app: str | None = None, log: Path | None = None) -> Service:
    """Ready when database and broker answer through it, or, of another application, when that answers at all.

    It alone is given `keys`, as its environment has them.
    """
    host, port = plan.settings.api_host, plan.settings.api_port
    ready = answers(host, port, "/ready") if app is None else answers(host, port, "/", below=500)
    argv = python_module("background", "api", *([] if app is None else ["--app", app]))
    return Service(name="api", argv=argv, env={**plan.env, **keys}, ready=ready, log=log)


def worker(plan: Plan, *, log: Path | None = None) -> Service:
    """Ready when it answers through the broker."""
    ready = works(plan.settings.broker_url)
    return Service(name="worker", argv=python_module("background", "worker"), env=plan.env, ready=ready, log=log)


def flower(plan: Plan, *, log: Path | None = None) -> Service:
    """Ready when its own health check says so."""
    ready = answers(HOST, plan.settings.flower_port, "/healthcheck")
    return Service(name="flower", argv=python_module("background", "flower"), env=plan.env, ready=ready, log=log)
