"""`run.py`: what it says when it cannot, and when it sets up anew."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import run
from background.settings import KeySettings, Settings
from tests.support import wait_for

ROOT = Path(run.__file__).parent
OLD_PYTHONS = [f"python3.{minor}" for minor in range(6, 11)]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout with lock files, whose set-up installs one package by writing its metadata."""
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(run, "STAMP", tmp_path / ".venv" / "run-py.json")
    monkeypatch.setattr(run, "VENV_PYTHON", tmp_path / ".venv" / "bin" / "python")
    for lock in run.LOCKS:
        (tmp_path / lock).write_text(lock)
    return tmp_path


@pytest.fixture
def done(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the set-up did, in order."""
    steps: list[str] = []

    def make_venv() -> None:
        steps.append("venv")
        shutil.rmtree(run.VENV, ignore_errors=True)
        run.VENV_PYTHON.parent.mkdir(parents=True)
        run.VENV_PYTHON.touch()

    def install(lock: str) -> None:
        steps.append(lock)
        (run.VENV / "lib" / "python3" / "site-packages" / "one-1.0.dist-info").mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(run, "make_venv", make_venv)
    monkeypatch.setattr(run, "install", install)
    return steps


# ------------------------------------------------------------------------------------------------ one line


def test_an_old_python_can_read_it() -> None:
    ast.parse((ROOT / "run.py").read_text(), feature_version=(3, 6))


def test_an_old_python_is_told_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "OLDEST", (99, 21))
    with pytest.raises(run.CannotRun, match=r"^run\.py needs Python 99\.21 or newer; this is 3\.\d+\.$"):
        run.main(["demo"])


def test_a_newer_python_on_this_machine_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "python3.12").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "python3.13").write_text("#!/bin/sh\nexit 0\n")
    for program in tmp_path.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["run.py", "demo"])
    assert run.explain_old_python().endswith(" Try: python3.13 run.py demo")


@pytest.mark.parametrize("name", OLD_PYTHONS)
def test_it_says_so_in_one_line_under_a_real_old_python(name: str) -> None:
    works = shutil.which(name) and subprocess.run([name, "-V"], capture_output=True, check=False).returncode == 0
    if not works:
        pytest.skip(f"there is no {name} here")
    ended = subprocess.run([name, ROOT / "run.py", "demo"], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert re.fullmatch(r"run\.py needs Python 3\.11 or newer; this is 3\.\d+\..*\n", ended.stderr)


def test_a_missing_ensurepip_is_named(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "ensurepip" else name)
    with pytest.raises(run.CannotRun, match=r"^This Python .* ensurepip .* apt install python3\.\d+-venv$"):
        run.set_up(run.APP)


def test_an_unknown_command_is_answered_with_those_that_exist() -> None:
    with pytest.raises(run.CannotRun, match=r"^There is no command 'dmeo'; there are: demo, up, .*\.$"):
        run.main(["dmeo"])


def test_an_argument_that_would_be_ignored_is_refused() -> None:
    with pytest.raises(run.CannotRun, match=r"^demo takes no arguments, but was given: fast$"):
        run.main(["demo", "fast"])


@pytest.mark.parametrize("version", [[], ["newest"], ["5.7.0; rm"]])
def test_a_celery_that_is_no_version_is_refused(
    version: list[str], checkout: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(checkout)
    with pytest.raises(run.CannotRun, match=r"such as 5\.7\.0\.$"):
        run.main(["test", "--celery", *version])


def test_another_celery_has_an_environment_of_its_own(
    checkout: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tools: list[str] = []
    monkeypatch.setattr(run, "run_with_progress", lambda argv, _: tools.append(argv[-1]))
    run.use_celery("5.7.0")
    home = checkout / ".venv-celery-5.7.0"
    assert [home, home / "bin" / "python"] == [run.VENV, run.VENV_PYTHON]
    assert (done, tools) == (["venv", run.DEV], ["celery==5.7.0"])
    assert run.is_ready(run.DEV)


def test_documents_are_built_strictly_unless_one_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "0")
    monkeypatch.setattr(run, "become", lambda *words: started.append(" ".join(words)))
    run.docs([])
    run.docs(["serve"])
    assert started == ["-m mkdocs build --strict --clean", "-m mkdocs serve"]


def test_coverage_is_told_also_where_a_test_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []

    def call(*argv: str) -> int:
        called.append(argv[3])
        return int(argv[3] == "run")

    monkeypatch.setattr(run, "call", call)
    assert run.coverage(["-k", "jobs"]) == 1
    assert called == ["erase", "run", "combine", "report"]


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["up", "--help"]])
def test_help_names_every_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(arguments) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in run.COMMANDS)


def test_a_failing_tool_is_quoted_with_its_errors(checkout: Path) -> None:
    script = "import sys; print('Collecting x'); print('ERROR: no network'); sys.exit(1)"
    with pytest.raises(run.CannotRun) as caught:
        run.run_with_progress([sys.executable, "-c", script], run.Progress("Installing"))
    assert str(caught.value) == "Installing failed:\n  ERROR: no network"


def test_a_lost_connection_is_named_before_what_follows_from_it() -> None:
    retry = "WARNING: Retrying after connection broken by 'no route to host'"
    missing = "ERROR: No matching distribution found for x"
    assert run._errors([retry, retry, "Looking", missing]) == [retry, missing]
    assert run._errors(["one", "two"]) == ["one", "two"]


def test_a_module_that_this_checkout_lacks_is_named(checkout: Path) -> None:
    with pytest.raises(run.CannotRun, match=r"^This checkout has no benchmarks yet\.$"):
        run.become_module("benchmarks", [])


# ------------------------------------------------------------------------------------------------ set-up


def test_the_first_set_up_makes_everything_and_the_second_nothing(done: list[str]) -> None:
    run.set_up(run.LOCAL)
    assert done == ["venv", run.LOCAL]
    run.set_up(run.LOCAL)
    assert done == ["venv", run.LOCAL]


def test_a_larger_lock_holds_the_smaller_ones(done: list[str]) -> None:
    run.set_up(run.DEV)
    run.set_up(run.LOCAL)
    assert done == ["venv", run.DEV]


def test_a_smaller_lock_does_not_hold_the_larger_ones(done: list[str]) -> None:
    run.set_up(run.LOCAL)
    run.set_up(run.DEV)
    assert done == ["venv", run.LOCAL, run.DEV]


def test_a_changed_lock_is_installed_into_what_is_there(done: list[str], checkout: Path) -> None:
    run.set_up(run.LOCAL)
    (checkout / run.LOCAL).write_text("changed")
    run.set_up(run.LOCAL)
    assert done == ["venv", run.LOCAL, run.LOCAL]


def test_another_python_gets_a_new_environment(done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    run.set_up(run.LOCAL)
    monkeypatch.setattr(run, "identity", lambda: "another one")
    run.set_up(run.LOCAL)
    assert done == ["venv", run.LOCAL] * 2


def test_what_another_tool_took_away_is_noticed(done: list[str]) -> None:
    run.set_up(run.LOCAL)
    next(run.VENV.rglob("one-1.0.dist-info")).rmdir()
    run.set_up(run.LOCAL)
    assert done == ["venv", run.LOCAL] * 2


def test_an_interrupted_set_up_is_done_again(done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(lock: str) -> None:
        raise KeyboardInterrupt

    run.set_up(run.LOCAL)
    with monkeypatch.context() as patch:
        patch.setattr(run, "install", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run.set_up(run.DEV)
    run.set_up(run.LOCAL)
    assert done == ["venv", run.LOCAL, "venv", run.LOCAL]


def test_two_set_ups_at_once_follow_each_other(checkout: Path) -> None:
    inside: list[float] = []

    def second() -> None:
        with run.only_one_setup():
            inside.append(time.monotonic())

    with run.only_one_setup():
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.3)
        left = time.monotonic()
        assert inside == []
    wait_for(lambda: inside, seconds=5, what="the second set-up")
    thread.join()
    assert inside[0] >= left


def test_what_belongs_to_another_python_is_left_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSAFEPATH", "PIP_USER"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("KEPT", "yes")
    environment = run.clean_environment()
    assert environment["KEPT"] == "yes"
    assert not set(run.FOREIGN) & set(environment)
    assert environment.keys() <= os.environ.keys()


# ------------------------------------------------------------------------------------------------ the page's tools


def give(folder: Path, name: str, script: str) -> None:
    """A program for the shell to find."""
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def node(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a Node.js whose npm notes what it is called for; it gives the folder of both."""
    programs = tmp_path / "programs"
    programs.mkdir()
    give(programs, "node", "echo v20.1.0")
    give(programs, "npm", 'echo "$*" >> npm.log; mkdir -p node_modules')
    (checkout / run.NODE_LOCK).write_text("{}")
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.chdir(checkout)
    return programs


def test_the_tools_of_the_page_are_installed_once_for_each_lock(node: Path, checkout: Path) -> None:
    assert run.lint_page() == run.lint_page() == 0
    once = ["ci", "run --silent lint", "run --silent types"]
    assert (checkout / "npm.log").read_text().splitlines() == [*once, *once[1:]]
    (checkout / run.NODE_LOCK).write_text('{"packages": {}}')
    run.lint_page()
    assert (checkout / "npm.log").read_text().splitlines()[-3:] == once


def test_what_biome_or_tsc_complains_of_fails(node: Path) -> None:
    give(node, "npm", 'mkdir -p node_modules; case "$*" in *types) exit 2;; esac')
    assert run.lint_page() == 2


@pytest.mark.parametrize(
    ("program", "script", "said"),
    [
        ("node", "echo v18.19.1", "Node.js 20 or newer is needed; this is v18.19.1."),
        ("npm", "echo 'npm error network'; exit 1", "Installing package-lock.json failed:"),
    ],
)
def test_without_the_tools_of_the_page_lint_goes_on(
    node: Path, program: str, script: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    give(node, program, script)
    assert run.lint_page() == 0
    assert capfd.readouterr().err.splitlines()[-1] == f"The page's sources are not checked: {said}"


def test_without_node_lint_goes_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", "")
    assert run.lint_page() == 0
    assert "not checked: Node.js 20 or newer is not installed" in capsys.readouterr().err
    with pytest.raises(run.CannotRun):
        run.pack()


# ------------------------------------------------------------------------------------------------ the files


def test_each_command_installs_what_it_needs_and_no_more() -> None:
    needs = {name: command.lock for name, command in run.COMMANDS.items()}
    assert [name for name, lock in needs.items() if lock == run.LOCAL] == ["demo", "up", "setup"]
    assert [name for name, lock in needs.items() if lock == run.DEV] == [
        "test",
        "lint",
        "bench",
        "chaos",
        "fuzz",
        "coverage",
        "docs",
        "lock",
    ]


def pins(lock: str) -> set[str]:
    return set(re.findall(r"^[\w.\[\]-]+==\S+", (ROOT / lock).read_text(), flags=re.MULTILINE))


def test_the_locks_hold_each_other() -> None:
    assert set() < pins(run.APP) < pins(run.LOCAL) < pins(run.DEV)


@pytest.mark.parametrize("lock", run.LOCKS)
def test_a_lock_has_hashes_and_names_no_server(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert "--index" not in text
    for block in re.split(r"\n(?=\w)", text):
        assert "--hash=sha256:" in block, block


def test_the_example_names_every_setting_and_sets_none() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []
    named = {match[1].lower() for line in lines if (match := re.match(r"#([A-Z_]+)=", line))}
    assert named == {*Settings.model_fields, *KeySettings.model_fields}


# ------------------------------------------------------------------------------------------------ the command


def test_the_command_works_from_anywhere_and_completes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "a folder" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(run, "VENV_PYTHON", python)
    run.write_command()

    def call(*words: str, **env: str) -> str:
        command = [str(python.with_name("playground")), *words]
        done = subprocess.run(
            command, cwd=tmp_path, env={**os.environ, **env}, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert "Usage: playground" in call("--help")
    bash = call("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert "complete -o default -F _playground_completion playground" in bash
    for begun, completed in (("c", ["completed", "cancelled"]), ("C", ["COMPLETED", "CANCELLED"])):
        words = f"playground jobs --status {begun}"
        ask = {"_PLAYGROUND_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "3"}
        assert call(**ask).split() == completed


def test_the_lock_of_the_page_names_no_server_and_exact_versions() -> None:
    lock = json.loads((ROOT / run.NODE_LOCK).read_text())
    assert all("resolved" not in package for package in lock["packages"].values())
    assert all(package["integrity"] for path, package in lock["packages"].items() if path)
    wanted = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    assert {name: lock["packages"][f"node_modules/{name}"]["version"] for name in wanted} == wanted
