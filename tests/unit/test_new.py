"""`python -m background new`: what it refuses, in one line, and that it then leaves everything as it is."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from background.commands import new
from tests.support import ROOT


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "background", "new", *words]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Shop",
        "9lives",
        "my-shop",
        "a shop",
        "../shop",
        "/shop",
        "shop\n",
        "class",
        "läden",
        "s" * 51,
        "json",
        "background",
        "celery",
        "tests",
    ],
)
def test_a_name_that_no_package_can_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(new.CannotMake, match=r"^[^\n]+$"):
        new.make(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "store").write_text("mine")
    (tmp_path / "stall").symlink_to("nowhere")
    for name in ("shop", "store", "stall"):
        done = run(name, cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr == f"{tmp_path / name} is there already.\n"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["shop", "stall", "store"]
    assert (tmp_path / "store").read_text() == "mine"


def test_where_nothing_can_be_written_one_line_says_so(tmp_path: Path) -> None:
    with pytest.raises(new.CannotMake, match=r"cannot be made: No such file or directory\.$"):
        new.make("shop", tmp_path / "nowhere")


def test_one_that_could_not_be_filled_is_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", no_room)
    with pytest.raises(new.CannotMake, match=r"cannot be written to: No space left on device\.$"):
        new.make("shop", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_its_containers_keep_their_logs_small(tmp_path: Path) -> None:
    compose = yaml.safe_load((new.make("shop", tmp_path) / "docker-compose.yml").read_text())
    for name, service in compose["services"].items():
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}, name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
    assert "shop.app:app" in compose["services"]["api"]["command"]
