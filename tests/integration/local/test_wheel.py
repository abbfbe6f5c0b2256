"""The wheel: what is in it, and that it works in an empty directory, with nothing written to the installation."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from background.documents.store import SAMPLES
from background.settings import KeySettings, Settings
from tests.support import ROOT, free_port

SOURCES = (
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "requirements.txt",
    "requirements-local.txt",
    "requirements-dev.txt",
)
NOT_RUN = (".mjs", ".d.ts", "web/packed/sources.sha256")
"""What makes and checks the page."""
OFFLINE = ["--no-deps", "--no-index", "--disable-pip-version-check", "--quiet"]


def pip(*words: str | Path, python: Path | str = sys.executable) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", f"--python={python}", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def files_of(directory: Path) -> dict[str, tuple[int, int]]:
    """Each file with its size and time; but for what Python compiles for itself."""
    return {
        str(path.relative_to(directory)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in directory.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="playground-wheel-", ignore_cleanup_errors=True) as directory:
        yield Path(directory).resolve()


@pytest.fixture(scope="module")
def wheel(scratch: Path) -> Path:
    """Built from a copy: setuptools leaves in its source what the next wheel would hold again."""
    source = scratch / "source"
    shutil.copytree(ROOT / "background", source / "background", ignore=shutil.ignore_patterns("__pycache__"))
    for name in SOURCES:
        shutil.copy(ROOT / name, source)
    pip("wheel", *OFFLINE, "--no-build-isolation", "-w", scratch, source)
    return next(scratch.glob("*.whl"))


@pytest.fixture(scope="module")
def playground(scratch: Path, wheel: Path) -> Path:
    """The command of an installation of its own, which borrows the other packages."""
    venv = scratch / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(venv)}))
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    pip("install", *OFFLINE, "--no-compile", wheel, python=venv / "bin" / "python")
    return venv / "bin" / "playground"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server is named, whatever the other tests use."""
    for name in (*Settings.model_fields, *KeySettings.model_fields):
        monkeypatch.delenv(name.upper(), raising=False)


def test_it_has_all_that_runs_and_nothing_beside_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = {f"background/{name}" for name in files_of(ROOT / "background") if not name.endswith(NOT_RUN)}
    assert {*package, *(f"background/documents/samples/{each.name}" for each in SAMPLES.iterdir())} == names
    # Without it a type checker takes all that is imported for `Any`, or refuses it.
    assert "background/py.typed" in names


def test_its_dependencies_are_those_of_the_requirements(playground: Path) -> None:
    site = next(playground.parents[1].glob("lib/python*/site-packages"))
    told = next(iter(metadata.distributions(path=[str(site)], name="celery-playground")))
    required = told.requires or []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert told.version == project["project"]["version"]
    # What `uv sync` installs, so that `uv run pytest` has all it needs.
    assert project["dependency-groups"]["dev"] == ["celery-playground[dev]"]
    for name, extra in (("", None), ("-local", "local"), ("-dev", "dev")):
        lines = (ROOT / f"requirements{name}.txt").read_text().splitlines()
        wanted = {line.split(";")[0].strip() for line in lines if line and not line.startswith("#")}
        marked = {each.split(";")[0].strip() for each in required if extra is None or f'extra == "{extra}"' in each}
        assert wanted <= marked, extra


@pytest.mark.usefixtures("bare")
def test_a_new_project_passes_its_own_tests(playground: Path, wheel: Path, tmp_path: Path) -> None:
    made = subprocess.run([playground, "new", "shop"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "playground up shop.app:app" in made.stdout
    project = tmp_path / "shop"
    assert sorted(files_of(project)) == sorted([
        ".env", ".gitignore", "README.md", "docker-compose.yml", "pyproject.toml",
        "shop/__init__.py", "shop/app.py", "shop/pipelines.py", "tests/test_shop.py",
    ])  # fmt: skip
    for name in files_of(project):
        assert "your_product" not in (project / name).read_text()
    told = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    assert told["dependencies"] == [f"celery-playground @ {wheel.as_uri()}"]
    assert len((project / "shop" / "app.py").read_text().splitlines()) <= 30

    nowhere = {**os.environ, "POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": "1", "REDIS_PORT": "1"}
    doctor = subprocess.run(
        [playground, "doctor"], cwd=project, env=nowhere, capture_output=True, text=True, check=False
    )
    assert "ok     pipelines: invoice\n" in doctor.stdout

    tests = [str(playground.with_name("python")), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(tests, cwd=project, capture_output=True, text=True, check=False, timeout=150)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


@pytest.mark.usefixtures("bare")
def test_a_demo_in_an_empty_directory_leaves_the_installation_as_it_is(playground: Path, tmp_path: Path) -> None:
    before = files_of(playground.parents[1])
    (tmp_path / ".env").write_text("STEP_SECONDS=0.1\n")
    # Ports of its own: another test may have its eye on the usual ones at this moment.
    env = os.environ | {name: str(free_port()) for name in ("API_PORT", "POSTGRES_PORT", "REDIS_PORT")}
    env.pop("PYTHONPATH", None)
    done = subprocess.run(
        [playground, "demo"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=150, env=env
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"documents: {len(list(SAMPLES.iterdir()))}" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {".env", ".local", "data"}
    assert files_of(playground.parents[1]) == before
