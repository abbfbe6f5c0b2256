"""`.ci/run`: Chromium and PgBouncer are installed where they can be, and their absence ends nothing. What calls it."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import run as run_py
from tests.support import ROOT

TOOLS = ("bash", "env", "dirname", "mktemp", "tee", "tail", "rm", "cp")
INSTALLS = '#!/bin/sh\nfor last; do :; done\n[ "$last" = update ] || cp "$0" "${0%/*}/$last"\n'


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory with what every machine has, for root; `python3` tells what it was called for."""
    for name in TOOLS:
        found = shutil.which(name)
        assert found
        (tmp_path / name).symlink_to(found)
    add(tmp_path, "id", "#!/bin/sh\necho 0\n")
    add(tmp_path, "python3", '#!/bin/sh\necho "$* CI=$CI"\n')
    return tmp_path


def add(programs: Path, name: str, script: str) -> None:
    """Put a program into the directory."""
    (programs / name).write_text(script)
    (programs / name).chmod(0o755)


def run(programs: Path) -> list[str]:
    """What the two commands were called with."""
    command = [str(programs / "bash"), str(ROOT / ".ci" / "run")]
    done = subprocess.run(command, env={"PATH": str(programs)}, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[:2]


@pytest.mark.parametrize("apt_get", [None, "#!/bin/sh\nexit 100\n"])
def test_without_chromium_the_checks_go_on(programs: Path, apt_get: str | None) -> None:
    if apt_get:
        add(programs, "apt-get", apt_get)
    assert run(programs) == ["run.py lint CI=", "run.py test CI="]


def test_chromium_is_installed_and_then_wanted(programs: Path) -> None:
    add(programs, "apt-get", INSTALLS)
    assert run(programs) == ["run.py lint CI=1", "run.py test CI=1"]
    assert (programs / "chromium-headless-shell").exists()
    assert (programs / "pgbouncer").exists()
    assert not (programs / "chromium").exists()  # It is the larger one.


def test_where_chromium_is_there_with_a_window_alone_that_is_installed(programs: Path) -> None:
    add(programs, "apt-get", INSTALLS.replace("[", "[ $last = chromium-headless-shell ] && exit 100\n[", 1))
    assert run(programs) == ["run.py lint CI=1", "run.py test CI=1"]
    assert not (programs / "chromium-headless-shell").exists()
    assert (programs / "chromium").exists()


@pytest.mark.parametrize("name", ["chromium", "chromium-headless-shell"])
def test_chromium_that_is_there_is_wanted(programs: Path, name: str) -> None:
    add(programs, name, "#!/bin/sh\n")
    add(programs, "apt-get", "#!/bin/sh\nexit 100\n")
    assert run(programs) == ["run.py lint CI=1", "run.py test CI=1"]


def told(path: str) -> Any:
    """A file of YAML."""
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_the_workflow_calls_it_with_actions_of_known_versions_and_no_rights() -> None:
    workflow = told(".github/workflows/ci.yml")
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert {"run": ".ci/run"} in workflow["jobs"]["checks"]["steps"]
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"]) for step in steps if "uses" in step)
    assert workflow["permissions"] == {"contents": "read"}
    named = {word for step in steps for word in re.findall(r"run\.py (\w+)", step.get("run", ""))}
    assert named <= set(run_py.COMMANDS)
    pythons = workflow["jobs"]["checks"]["strategy"]["matrix"]["python"]
    assert pythons[0] == "{}.{}".format(*run_py.OLDEST)


def test_updates_are_looked_for_in_all_that_is_used() -> None:
    updates = told(".github/dependabot.yml")["updates"]
    ecosystems = {update["package-ecosystem"] for update in updates}
    assert ecosystems == {"pip", "npm", "github-actions", "docker", "docker-compose"}
    assert all(update["directory"] == "/" for update in updates)


def test_hooks_before_a_commit_fetch_nothing() -> None:
    """So that their ruff is the locked one."""
    repositories = told(".pre-commit-config.yaml")["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    hooks = {hook["id"]: hook["entry"] for hook in repositories[0]["hooks"]}
    assert hooks["lint"] == "python3 run.py lint"
    assert all(entry.startswith((".venv/bin/python -m ", "python3 run.py ")) for entry in hooks.values())


def test_make_knows_every_command() -> None:
    (names,) = re.findall(r"^COMMANDS = (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(names.split()) == set(run_py.COMMANDS)


def test_what_a_program_reads_first_is_short() -> None:
    text = (ROOT / "AGENTS.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
