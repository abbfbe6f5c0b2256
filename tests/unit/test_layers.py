"""Imports point one way, and the API never imports a Celery task."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

# From the ground up; a module imports only from its own line or from lines above it.
LAYERS = [
    [
        "background.errors",
        "background.advice",
        "background.hosts",
        "background.redis_url",
        "background.settings",
        "background.jsontext",
        "background.strict",
        "background.serving.options",
        "background.clients",
        "background.headers",
        "background.api_keys",
        "background.escapes",
        "background.log_context",
        "background.exact",
        "background.task_names",
        "background.canvas.batch",
        "background.canvas.values",
        "background.intake",
    ],
    ["background.serving.origins"],
    ["background.serving.flower"],
    [
        "background.jobs.states",
        "background.jobs.together",
        "background.canvas.states",
        "background.canvas.trees",
        "background.logs",
    ],
    ["background.celery", "background.database", "background.documents", "background.canvas.facts"],
    [
        "background.broker",
        "background.canvas.results",
        "background.canvas.wording",
        "background.canvas.spec",
        "background.jobs.models",
        "background.canvas.models",
        "background.workers",
        "background.streams.models",
        "background.migrations",
    ],
    [
        "background.jobs.queries",
        "background.jobs.reads",
        "background.canvas.queries",
        "background.canvas.reads",
        "background.canvas.recovery_queries",
        "background.canvas.checks",
    ],
    [
        "background.jobs.transitions",
        "background.canvas.task_queries",
        "background.canvas.dry",
        "background.retention.queries",
    ],
    ["background.jobs.recovery_queries", "background.canvas.plan"],
    ["background.jobs.pipeline", "background.jobs.deadline", "background.jobs.turned_away", "background.canvas.judge"],
    [
        "background.pipelines",
        "background.jobs.registry",
        "background.canvas.signatures",
        "background.canvas.traps",
        "background.retention",
    ],
    ["background.canvas.expression", "background.canvas.recording"],
    ["background.canvas.built"],
    ["background.jobs.dispatch", "background.jobs.runner", "background.canvas.schemas", "background.canvas.recovery"],
    ["background.canvas.outcomes"],
    ["background.canvas"],
    ["background.jobs.recovery", "background.jobs.planned_stop"],
    ["background.jobs", "background.task"],
    ["background.problems", "background.request_id"],
    ["background.requests", "background.serving.answers"],
    ["background.serving", "background.access"],
    ["background.streams", "background.web"],
    ["background.doctor"],
    ["background.system", "background.jobs.router", "background.documents.router", "background.workers.router"],
    ["background.streams.router"],
    ["background.cli.errors", "background.cli.text"],
    ["background.cli.client", "background.cli.tables", "background.cli.bars"],
    ["background.cli.session", "background.cli.streams", "background.cli.trees"],
    ["background.cli.jobs", "background.cli.canvas"],
    ["background.cli", "background.processes"],
    ["background.__main__"],
    ["sample_app"],
    ["main"],
]
LIBRARIES_ONLY_IN = {
    "os": {
        "background.settings",
        "background.access",
        "background.celery",
        "background.processes",
        "background.serving",
        "background.jobs.planned_stop",
        "background.jobs.recovery",
        "background.task.job_tasks",
        "background.canvas.batch",
        "background.database",
        "background.documents",
        "background.local",
    },
    "fastapi": {
        "background.access",
        "background.problems",
        "background.requests",
        "background.web.router",
        "background.system",
        "background.jobs.router",
        "background.documents.router",
        "background.workers.router",
        "background.streams",
        "main",
        "sample_app",
    },
}


def modules() -> dict[str, Path]:
    """Every module of the application by name, but for local mode, which starts the others as processes."""
    paths = [*ROOT.glob("background/**/*.py"), ROOT / "main.py", ROOT / "sample_app.py"]
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths}
    skipped = ("background.local", "background.migrations.versions")
    return {name: path for path, name in names.items() if not name.startswith(skipped)}


def imports_of(path: Path) -> Iterator[str]:
    """The full names of what a module imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer_of(module: str) -> int:
    """The layer whose most specific entry covers the module."""
    found = [
        (len(entry), number)
        for number, layer in enumerate(LAYERS)
        for entry in layer
        if module == entry or module.startswith(f"{entry}.")
    ]
    assert found, f"{module} is in no layer"
    return max(found)[1]


@pytest.mark.parametrize("module", [name for name in modules() if name != "background"])
def test_a_module_imports_nothing_from_above(module: str) -> None:
    known = modules()
    imported = {name for name in imports_of(known[module]) if name in known and known[name].name != "__init__.py"}
    above = [name for name in imported if layer_of(name) > layer_of(module)]
    assert not above


@pytest.mark.parametrize("module", modules())
def test_a_library_stays_where_it_belongs(module: str) -> None:
    for imported in imports_of(modules()[module]):
        allowed = LIBRARIES_ONLY_IN.get(imported.partition(".")[0])
        assert allowed is None or any(module == name or module.startswith(f"{name}.") for name in allowed), imported


def test_states_need_nothing_but_the_standard_library() -> None:
    allowed = {"enum", "random", "dataclasses", "datetime", "typing", "itertools", "collections", "uuid"}
    for name in ("background/jobs/states.py", "background/canvas/states.py"):
        assert {imported.partition(".")[0] for imported in imports_of(ROOT / name)} <= allowed


def test_the_api_imports_no_celery_task() -> None:
    code = "import sys, main; print([name for name in sys.modules if name.startswith('background.task.')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
