"""Tables of a project of one's own beside ours, as docs/migrations.md tells to do it."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from sqlalchemy import Engine

from background import migrations
from background.migrations.tables import NAMES
from tests.documentation import blocks
from tests.integration.test_migrations import empty, found, tables  # noqa: F401  (a fixture)
from tests.support import ROOT

PAGE = ROOT / "docs" / "migrations.md"
FILES = {block.splitlines()[0].removeprefix("# "): block for block in blocks(PAGE, "python") if block.startswith("# ")}
COMMANDS = [line.removeprefix("$ ") for block in blocks(PAGE, "console") for line in block.splitlines()]


def run(project: Path, command: str) -> str:
    """A command in the directory of the project; gives what it prints."""
    argv = [sys.executable, "-m", *shlex.split(command)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, cwd=project, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def test_they_have_a_history_of_their_own_that_leaves_ours_alone(empty: Engine, tmp_path: Path) -> None:  # noqa: F811
    init, *others = [command for command in COMMANDS if "--without" not in command]
    run(tmp_path, init)
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    assert {"shop/models.py", "shop/migrations/env.py"} == set(FILES)
    assert others.pop(0) == "python -m background migrate"
    migrations.upgrade()
    for command in others:
        run(tmp_path, command)
    (made,) = (tmp_path / "shop/migrations/versions").glob("*.py")
    assert re.findall(r"op\.(\w+)\(\s*(?:op\.f\()?'(\w+)'", made.read_text().partition("def downgrade")[0]) == [
        ("create_table", "orders"),
        ("create_index", "ix_orders_job_id"),
    ]
    assert tables(empty) == NAMES | {"orders", "shop_version"}
    run(tmp_path, "alembic check")
    migrations.upgrade()
    assert not found(empty).is_newer


def test_the_names_that_are_taken_are_told() -> None:
    (told,) = re.findall(r"are taken, canvas or not: ([^.]*)\.", PAGE.read_text(encoding="utf-8"))
    assert re.findall(r"`(\w+)`", told) == sorted(NAMES)
