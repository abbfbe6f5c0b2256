"""`.ci/run`: Chromium and PgBouncer are installed where they can be, and their absence ends nothing."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT

TOOLS = ("bash", "env", "dirname", "mktemp", "tee", "tail", "rm", "cp")
INSTALLS = '#!/bin/sh\nfor last; do :; done\n[ "$last" = -qq ] || cp "$0" "${0%/*}/$last"\n'


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
    assert (programs / "chromium").exists()
    assert (programs / "pgbouncer").exists()


def test_chromium_that_is_there_is_wanted(programs: Path) -> None:
    add(programs, "chromium", "#!/bin/sh\n")
    add(programs, "apt-get", "#!/bin/sh\nexit 100\n")
    assert run(programs) == ["run.py lint CI=1", "run.py test CI=1"]
