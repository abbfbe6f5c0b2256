"""The version stands in one place, and is told wherever one is told."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from background.base import version
from tests.support import ROOT

FULL = Path("/dev/full")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_it_is_that_of_the_project() -> None:
    assert PROJECT["name"] == version.PROJECT
    assert PROJECT["version"] == version.version()


def test_without_a_checkout_it_is_that_of_the_installed_distribution(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(version, "PYPROJECT", tmp_path / "pyproject.toml")
    monkeypatch.setattr(version, "PROJECT", "pytest")
    assert version.version() == pytest.__version__
    monkeypatch.setattr(version, "PROJECT", "there-is-no-such-thing")
    assert version.version() == "unknown"


def test_the_command_line_tells_it() -> None:
    command = [sys.executable, "-m", "background", "--version"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"Celery Playground {PROJECT['version']}\n"


@pytest.mark.skipif(not FULL.exists(), reason="Linux alone has such a device")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_disk_that_is_full_is_one_line(unbuffered: str) -> None:
    command = [sys.executable, "-m", "background", "--version"]
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with FULL.open("w") as full:
        done = subprocess.run(command, cwd=ROOT, env=env, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (6, "What this says cannot be written: No space left on device.\n")


def test_the_changelog_has_it() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    told = re.findall(r"^## \[?([\w.]+)\]?", text, re.MULTILINE)
    assert told[0] == "Unreleased"
    assert PROJECT["version"] in told
