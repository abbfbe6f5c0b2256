"""`run.py demo`: one job and each kind of canvas, as a user would run them over HTTP."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console as Terminal
from rich.table import Table

from background.base.hosts import reachable
from background.cli.bars import JobView
from background.client import ClientError
from background.client.api import Api
from background.jobs.registry import BUILT_IN
from background.jobs.states import ENDED
from background.local.checks import free_port
from background.local.children import LocalError, tail
from background.local.console import Console
from background.local.lock import only_one
from background.local.plan import Plan, make_plan
from background.local.supervisor import Interrupts, Stopped, Supervisor
from background.local.up import api, migration, worker
from background.settings import KeySettings, Settings, get_key_settings, get_settings, read_api_keys

START_SECONDS = 120.0
RUN_SECONDS = 90.0
CANVASES = {"/chain": "Final result: 50", "/group": [5, 6], "/chord": "Final result: [5, 6]"}
DOCUMENT = "# A demo\n\nSomebody removed all documents, and a report needs at least one to report on.\n"


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one thing: a row of the table at the end."""

    name: str
    status: str
    result: str


def demo(home: Path, interrupts: Interrupts) -> int:
    """Shows the system at work; returns the exit code, 0 only if everything succeeded.

    Raises `LocalError` where it cannot begin, because it is running already in this directory.
    """
    with only_one(home / "lock") as lock:
        settings = get_settings()
        key, keys = _with_a_key_of_ours(get_key_settings(), home)
        plan = make_plan(settings, home, **_changes(settings))
        logs = home / "logs"
        supervisor = Supervisor(
            servers=plan.servers,
            preparations=[migration(plan, log=logs / "migrate.log")],
            services=[api(plan, keys=keys, log=logs / "api.log"), worker(plan, log=logs / "worker.log")],
            console=Console(),
            interrupts=interrupts,
            restart=False,
            keep=[lock],
        )
        return _perform(supervisor, Play(plan, supervisor, logs, key=key))


def _with_a_key_of_ours(settings: KeySettings, home: Path) -> tuple[str | None, dict[str, str]]:
    """Where the API wants keys: one for us, and what the API is given so that it takes ours."""
    read_api_keys()
    if not settings.environment:
        return None, {}
    key = secrets.token_urlsafe()
    entry = f"demo-{secrets.token_hex(4)}:write:{key}"
    if settings.api_keys is not None:
        return key, {"API_KEYS": f"{settings.api_keys.get_secret_value()},{entry}"}
    file = home / "demo-keys"
    file.touch(mode=0o600)
    file.write_text(entry)
    return key, {"API_KEYS_FILE": str(file)}


def _changes(settings: Settings) -> dict[str, object]:
    """What differs from `up`: nobody has to know the port, its pipelines are there, and nobody wants to wait long."""
    changes: dict[str, object] = {
        "api_port": free_port(reachable(settings.api_host), settings.api_port),
        "pipelines": f"{settings.pipelines},{BUILT_IN}",
    }
    if "step_seconds" not in settings.model_fields_set:
        changes["step_seconds"] = 0.5
    return changes


def _perform(supervisor: Supervisor, play: "Play") -> int:
    try:
        supervisor.start(patience=START_SECONDS)
        play.run()
    except Stopped:
        print("Stopped.")
        return 130
    except LocalError as error:
        print(f"Failed: {error}")
        return 1
    finally:
        supervisor.stop()
    print("Everything succeeded, and everything is stopped.")
    return 0


class Play:
    """The scenes, one after the other; each raises `LocalError` where it does not end as it should."""

    def __init__(self, plan: Plan, supervisor: Supervisor, logs: Path, *, key: str | None) -> None:
        self._client = Api(plan.api, key, patience=0)
        self._job_seconds = 10 * plan.settings.step_seconds + RUN_SECONDS
        self._supervisor = supervisor
        self._data = plan.settings.data_dir
        self._logs = logs
        self._terminal = Terminal()
        self._findings: list[Finding] = []

    def run(self) -> None:
        """All scenes, then the table."""
        try:
            self._job()
            for path, expected in CANVASES.items():
                self._canvas(path, expected)
            report = self._report()
        except (LocalError, ClientError) as error:
            raise LocalError(f"{error}{self._logged()}") from None
        self._print(report)

    def _print(self, report: Path) -> None:
        table = Table("name", "status", "result")
        for finding in self._findings:
            table.add_row(finding.name, finding.status, finding.result)
        self._terminal.print(table)
        self._terminal.print(f"Report: {report}", soft_wrap=True, highlight=False, markup=False)

    def _logged(self) -> str:
        """The end of what API and worker wrote."""
        logs = [self._logs / "api.log", self._logs / "worker.log"]
        return "".join(f"\n  {log}:{tail(log)}" for log in logs)

    def _job(self) -> None:
        number = self._client.post("/jobs")["job_id"]
        pipelines = {each["name"]: each["steps"] for each in self._client.get("/pipelines")}
        with JobView(self._terminal, f"Job {number}", pipelines["demo"]) as view:
            job = self._follow(f"/jobs/{number}", lambda job: job["status"] in ENDED, self._job_seconds, view.show)
        if job["status"] != "COMPLETED":
            raise LocalError(f"Job {number} is {job['status']}: {job['error']}")
        self._findings.append(Finding(f"job {number}", job["status"], f"{len(job['steps'])} steps"))

    def _canvas(self, path: str, expected: object) -> None:
        run = self._run(path)
        if run["result"] != expected:
            raise LocalError(f"{path} gave {run['result']!r} and not {expected!r}.")
        self._findings.append(Finding(path, run["status"], str(run["result"])))

    def _report(self) -> Path:
        """The path of the Markdown report, which must name every stored document."""
        if not self._client.get("/documents"):
            self._client.upload("/documents", name="demo.md", content=DOCUMENT.encode())
        documents = [each["name"] for each in self._client.get("/documents")]
        run = self._run("/documents/report")
        path = self._data / str(run["result"]["markdown"])
        missing = set(documents) - set(run["result"]["documents"])
        if missing or not path.is_file():
            raise LocalError(f"The report {path} is not there, or does not name {', '.join(sorted(missing))}.")
        self._findings.append(Finding("/documents/report", run["status"], f"documents: {len(documents)}"))
        return path

    def _run(self, path: str) -> Any:
        """Starts a canvas and gives its run once it has succeeded."""
        task_id = self._client.post(path)["task_id"]
        run = self._follow(f"/result/{task_id}", lambda run: bool(run["ready"]), RUN_SECONDS)
        if run["status"] != "SUCCESS":
            raise LocalError(f"{path} is {run['status']}: {run['verdict']}")
        return run

    def _follow(
        self,
        path: str,
        ended: Callable[[Any], bool],
        seconds: float,
        show: Callable[[Any], None] = lambda _answer: None,
    ) -> Any:
        """Asks `path` several times a second and shows each answer; returns the one that has `ended`."""
        deadline = time.monotonic() + seconds
        while True:
            self._supervisor.pause(0.1)
            answer = self._client.get(path)
            show(answer)
            if ended(answer):
                return answer
            if time.monotonic() > deadline:
                raise LocalError(f"{path} is still {answer['status']} after {seconds:.0f} s.")
