"""What is imported where, beyond the rooms that `lint` holds apart (see `[tool.importlinter]` in pyproject.toml)."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

ROOMS = ("jobs", "canvas", "outcomes", "documents", "schedules")
ROUTES = ("app.py", "http/", "streams/", "system/", "web/", "jobs/queues.py", *(f"{each}/router.py" for each in ROOMS))
"""Where FastAPI is, besides `sample_app.py`."""
THEIRS = ("celery.py", "http/options.py", "http/proxies.py", "testing/stack.py")
"""What has to do with variables that Flower and uvicorn read, or hands on those of a test to its processes."""
STANDARD = {"collections", "dataclasses", "datetime", "enum", "functools", "itertools", "re", "typing", "uuid"}
PURE = ("canvas/states.py", "jobs/causes.py", "jobs/states.py")
"""What decides, and says why: they may import each other."""


def modules() -> list[str]:
    """Every module of the package, by its path in it; but for local mode, which starts the others as processes."""
    package = ROOT / "background"
    return sorted(
        str(path.relative_to(package)) for path in package.glob("**/*.py") if not {"local", "template"} & {*path.parts}
    )


def modules_of(path: Path) -> Iterator[str]:
    """The modules that a module imports; what it takes from a package counts as one, too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            is_package = (ROOT / node.module.replace(".", "/")).is_dir()
            yield from (f"{node.module}.{alias.name}" for alias in node.names) if is_package else (node.module,)


def imports_of(path: Path) -> Iterator[str]:
    """The names of the packages that a module imports from."""
    return (name.partition(".")[0] for name in modules_of(path))


@pytest.mark.parametrize("module", modules())
def test_only_routes_know_fastapi(module: str) -> None:
    assert "fastapi" not in imports_of(ROOT / "background" / module) or module.startswith(ROUTES)


@pytest.mark.parametrize("module", modules())
def test_only_the_settings_read_the_environment(module: str) -> None:
    source = (ROOT / "background" / module).read_text()
    assert "os.environ" not in source or module in THEIRS


@pytest.mark.parametrize("module", PURE)
def test_what_decides_needs_nothing_but_the_standard_library(module: str) -> None:
    pure = {f"background.{each.removesuffix('.py').replace('/', '.')}" for each in PURE}
    names = {name for name in modules_of(ROOT / "background" / module) if name not in pure}
    assert {name.partition(".")[0] for name in names} <= STANDARD


def test_the_api_imports_no_celery_task() -> None:
    code = "import sys, main; print([name for name in sys.modules if name.startswith('background.task.')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_api_imports_no_reader_of_documents() -> None:
    readers = "{'chardet', 'docx', 'gcld3', 'lxml', 'pypdfium2', 'pyromark', 'stopwordsiso'}"
    code = f"import sys, main; print(sorted({readers} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
