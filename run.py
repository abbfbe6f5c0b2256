#!/usr/bin/env python3
"""One command from a bare clone to a running system; needs nothing but Python 3.11 or newer.

It makes `.venv/`, installs the locked requirements that the command needs, and hands over to the project's
own Python. Standard library only, and no syntax newer than Python 3.6: an old Python must be able to say what
is missing.
"""

import collections
import contextlib
import hashlib
import importlib.util
import json
import os
import platform
import queue
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Callable, Deque, Dict, Iterator, List, NamedTuple, NoReturn, Optional

if sys.platform != "win32":
    import fcntl

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "run-py.json"
VENV_PYTHON = VENV / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
# What `test --celery VERSION` runs: all that depends on what Celery makes of a canvas.
CANVAS_TESTS = [
    f"tests/acceptance/test_{name}.py"
    for name in (
        "bare_celery",
        "generated_canvases",
        "canvas_cases",
        "double_delivery",
        "surprises",
        "surprises_callbacks",
    )
]
# Each holds all of the one before, at the same versions.
APP, LOCAL, DEV = LOCKS = ["requirements.lock", "requirements-local.lock", "requirements-dev.lock"]
SOURCES = ["requirements.txt", "requirements-local.txt", "requirements-dev.txt"]
# What checks and packs the page. Nothing else needs it: the packed page is part of the repository.
NODE_OLDEST = 20
NODE_LOCK = "package-lock.json"
NODE_STAMP = "node_modules/.run-py"
# What benchmarks run beside this project, installed by themselves in an environment apart.
PEERS = "benchmarks/requirements-peers"
# Read by sh, then by the project's Python: an interpreter's path may be too long, or hold a space, for the first line.
COMMAND = """#!/bin/sh
'''exec' {python} "$0" "$@"
' '''
import sys
sys.path.insert(0, {root!r})
from background.__main__ import main
main()
"""
# It has no `-m`.
IMPORT_LINTER = "from importlinter.cli import import_linter; import_linter()"
# What a shell may have exported for another Python, or for another way of installing than this one.
FOREIGN = [
    "PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH", "PYTHONPLATLIBDIR", "PYTHONEXECUTABLE", "PYTHONINSPECT",
    "PYTHONDONTWRITEBYTECODE",  # images of containers have it: every process would compile all of the project
    "VIRTUAL_ENV", "CONDA_PREFIX", "__PYVENV_LAUNCHER__",
    "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PIP_DRY_RUN", "PIP_NO_BINARY",
]  # fmt: skip


class CannotRun(Exception):
    """Its text is what the user reads: a line that says what is missing."""


# ------------------------------------------------------------------------------------------------ progress


class Progress:
    """One line that lives on a terminal; elsewhere a plain line now and then."""

    EVERY = 5.0  # seconds between two plain lines

    def __init__(self, title: str) -> None:
        self.title = title
        self._live = sys.stderr.isatty()
        self._began = time.monotonic()
        self._next_plain = self._began + self.EVERY
        if not self._live:
            self._write(f"{title} ...\n")

    def show(self, detail: str) -> None:
        """Says what is happening now; cheap enough to be called several times a second."""
        elapsed = time.monotonic() - self._began
        if self._live:
            line = f"{self.title} ... {elapsed:.0f} s  {detail}"
            self._write("\r\x1b[K" + line[: shutil.get_terminal_size().columns - 1])
        elif time.monotonic() >= self._next_plain:
            self._next_plain += self.EVERY
            self._write(f"  {elapsed:.0f} s  {detail[:80]}\n")

    def close(self, outcome: str) -> None:
        """Ends the line with how it went."""
        start = "\r\x1b[K" if self._live else ""
        self._write(f"{start}{self.title}: {outcome} after {time.monotonic() - self._began:.0f} s\n")

    @staticmethod
    def _write(text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()


def run_with_progress(argv: List[str], progress: Progress) -> None:
    """Runs a tool while the line shows what it says.

    Raises `CannotRun` with the tool's last lines when it fails.
    """
    process = subprocess.Popen(
        argv,
        cwd=str(ROOT),
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    try:
        tail = _follow(process, progress)
    except BaseException:
        process.kill()
        process.wait()
        progress.close("stopped")
        raise
    if process.returncode != 0:
        progress.close("failed")
        raise CannotRun("\n  ".join([f"{progress.title} failed:", *_errors(tail)]))
    progress.close("done")


def _follow(process: "subprocess.Popen[str]", progress: Progress) -> List[str]:
    """Shows each line until the tool ends; returns the last ones."""
    lines: queue.Queue[Optional[str]] = queue.Queue()
    threading.Thread(target=_pump, args=(process, lines), daemon=True).start()
    tail: Deque[str] = collections.deque([""], maxlen=40)
    while True:
        try:
            line = lines.get(timeout=0.25)
        except queue.Empty:
            line = ""
        if line is None:
            process.wait()
            return [line for line in tail if line]
        if line.strip():
            tail.append(line.strip())
        progress.show("" if tail[-1].startswith("WARNING") else tail[-1])


def _pump(process: "subprocess.Popen[str]", lines: "queue.Queue[Optional[str]]") -> None:
    for line in process.stdout or ():
        lines.put(line)
    lines.put(None)


def _errors(tail: List[str]) -> List[str]:
    """The lines worth reading: a lost connection and what the tool itself calls errors, or else the last few."""
    lost = [line for line in tail if "connection" in line.lower()]
    errors = [line for line in tail if line.lower().startswith("error")]
    return (lost[-1:] + errors or tail)[-5:]


# ------------------------------------------------------------------------------------------------ set-up


def clean_environment() -> Dict[str, str]:
    """This process's environment without what belongs to another Python."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN}


def explain_old_python() -> str:
    """The line for a Python that is too old; names a newer one where the machine has it."""
    message = "run.py needs Python {}.{} or newer; this is {}.{}.".format(*OLDEST, *sys.version_info[:2])
    for minor in range(OLDEST[1], 20):
        name = f"python3.{minor}"
        # A version manager's stand-in may be there without the Python behind it.
        if shutil.which(name) and subprocess.call([name, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            return f"{message} Try: {name} run.py {' '.join(sys.argv[1:])}".rstrip()
    return message


def base_python() -> str:
    """The interpreter behind the one that runs this, which may itself live in a virtual environment."""
    return str(getattr(sys, "_base_executable", "") or sys.executable)


def identity() -> str:
    """What a virtual environment depends on: another Python or another machine needs another one."""
    version = "{}.{}".format(*sys.version_info[:2])
    return " ".join([platform.python_implementation(), version, sys.base_prefix, platform.machine()])


def digest(lock: str) -> str:
    """The SHA-256 of a lock file, in hex."""
    return hashlib.sha256((ROOT / lock).read_bytes()).hexdigest()


def installed() -> List[str]:
    """The distributions in the virtual environment, as the names of their metadata directories."""
    return sorted(path.name for path in VENV.glob("[Ll]ib*/**/site-packages/*.dist-info"))


def read_stamp() -> Dict[str, object]:
    """What an earlier set-up finished; empty where none did, or where something was taken away since."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(stamp, dict) or stamp.get("python") != identity() or not VENV_PYTHON.exists():
        return {}
    return stamp if set(stamp.get("installed", ["?"])) <= set(installed()) else {}


def is_ready(lock: str) -> bool:
    """Whether all that `lock` names is installed, through it or through one that holds it."""
    locks = read_stamp().get("locks")
    return isinstance(locks, dict) and locks.get(lock) == digest(lock)


def write_stamp(lock: str) -> None:
    """Notes that `lock`, and with it every smaller one, is installed completely."""
    done = LOCKS[: LOCKS.index(lock) + 1]
    stamp = {"python": identity(), "locks": {name: digest(name) for name in done}, "installed": installed()}
    fresh = STAMP.with_suffix(".new")
    fresh.write_text(json.dumps(stamp, indent=1), encoding="utf-8")
    fresh.replace(STAMP)


@contextlib.contextmanager
def only_one_setup() -> Iterator[None]:
    """Two set-ups at once would spoil each other: the second waits until the first is done."""
    folder = ROOT / ".local"
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "setup.lock").open("a") as handle:
        if not _take(handle.fileno()):
            progress = Progress("Waiting for another set-up of this checkout")
            while not _take(handle.fileno()):
                progress.show("")
                time.sleep(0.2)
            progress.close("over")
        yield


def _take(descriptor: int) -> bool:
    """Whether the lock is ours now."""
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def set_up(lock: str) -> None:
    """Brings `.venv/` to what `lock` says; does nothing when it is there already.

    Raises `CannotRun` when this Python cannot make one, or when the packages cannot be had.
    """
    if is_ready(lock):
        return
    # A plain SIGTERM would leave the installer running on its own.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with only_one_setup():
        if is_ready(lock):
            return
        reusable = bool(read_stamp())
        # Without its stamp an interrupted set-up is recognised and done again from the start.
        with contextlib.suppress(FileNotFoundError):
            STAMP.unlink()
        if not reusable:
            make_venv()
        install(lock)
        write_command()
        write_stamp(lock)


def write_command() -> None:
    """`playground` beside the Python of `.venv/`: `python -m background` as one word, which a shell can complete."""
    command = VENV_PYTHON.with_name("playground")
    command.write_text(COMMAND.format(python=shlex.quote(str(VENV_PYTHON)), root=str(ROOT)), encoding="utf-8")
    command.chmod(0o755)


def make_venv() -> None:
    """A new, empty `.venv/` in place of whatever was there."""
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise CannotRun(
            f"This Python ({base_python()}) cannot make virtual environments: its venv or ensurepip module is"
            " missing. On Debian and Ubuntu: apt install python{}.{}-venv".format(*sys.version_info[:2])
        )
    progress = Progress(f"Making .venv with Python {platform.python_version()}")
    run_with_progress([base_python(), "-I", "-m", "venv", "--clear", str(VENV)], progress)


def install(lock: str) -> None:
    """Installs exactly what `lock` names, checked against its hashes, from wheels alone."""
    pip = [str(VENV_PYTHON), "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    exactly = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--progress-bar", "off"]
    run_with_progress([*pip, *exactly, "-r", lock], Progress(f"Installing {lock}"))


def set_up_node() -> str:
    """Brings `node_modules/` to what its lock says; gives the path of npm.

    Raises `CannotRun` with why there are no such tools here.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise CannotRun(f"Node.js {NODE_OLDEST} or newer is not installed, or its npm is not.")
    version = subprocess.run([node, "--version"], check=False, stdout=subprocess.PIPE, encoding="utf-8").stdout.strip()
    found = re.match(r"v(\d+)\.", version)
    if found is None or int(found.group(1)) < NODE_OLDEST:
        raise CannotRun(f"Node.js {NODE_OLDEST} or newer is needed; this is {version or 'none'}.")
    stamp = ROOT / NODE_STAMP
    with only_one_setup():
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != digest(NODE_LOCK):
            # It begins by taking away what is there, and the stamp with it.
            run_with_progress([npm, "ci"], Progress(f"Installing {NODE_LOCK}"))
            stamp.write_text(digest(NODE_LOCK), encoding="utf-8")
    return npm


# ------------------------------------------------------------------------------------------------ commands


class Command(NamedTuple):
    """What `run.py NAME` is for, which lock it needs if any, and what it starts with the arguments that follow."""

    summary: str
    lock: Optional[str]
    start: Callable[[List[str]], int]
    takes_arguments: bool = True


def become(*arguments: str) -> NoReturn:
    """Replaces this process by the project's Python, so that signals and the exit code are that one's own."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(str(VENV_PYTHON), [str(VENV_PYTHON), *arguments], clean_environment())  # noqa: S606 - a list


def become_module(module: str, arguments: List[str]) -> NoReturn:
    """`python -m module`.

    Raises `CannotRun` where this checkout has no such module.
    """
    path = ROOT.joinpath(*module.split("."))
    if not path.with_suffix(".py").exists() and not (path / "__main__.py").exists():
        raise CannotRun(f"This checkout has no {module.replace('.', '/')} yet.")
    become("-m", module, *arguments)


def call(*argv: str) -> int:
    """Runs a tool in the foreground and returns its exit code."""
    return subprocess.call(list(argv), env=clean_environment())


def use_celery(version: str) -> None:
    """From here on the project's Python is one beside `.venv/`, with the locked requirements but another Celery.

    Raises `CannotRun` where that version cannot be had.
    """
    global VENV, STAMP, VENV_PYTHON  # noqa: PLW0603 - where everything below looks
    if not re.match(r"^\d+\.\d+[\w.]*$", version):
        raise CannotRun(f"{version!r} is no version of Celery, such as 5.7.0.")
    VENV_PYTHON = ROOT / f".venv-celery-{version}" / VENV_PYTHON.relative_to(VENV)
    VENV = ROOT / f".venv-celery-{version}"
    STAMP = VENV / STAMP.name
    set_up(DEV)
    if f"celery-{version}.dist-info" not in installed():
        pip = [str(VENV_PYTHON), "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
        run_with_progress([*pip, f"celery=={version}"], Progress(f"Installing Celery {version}"))
        write_stamp(DEV)


def test(more: List[str]) -> int:
    """pytest; `--celery VERSION` runs the canvas tests under that version and writes its column of the page on them."""
    if more[:1] != ["--celery"]:
        become("-m", "pytest", *more)
    if len(more) < 2:
        raise CannotRun("--celery needs a version, such as 5.7.0.")
    use_celery(more[1])
    os.environ["CELERY_VERSIONS"] = "write"
    named = any((ROOT / argument.partition("::")[0]).exists() for argument in more[2:])
    become("-m", "pytest", *more[2:], *([] if named else [*CANVAS_TESTS, "tests/acceptance/test_celery_versions.py"]))


def lint() -> int:
    """What checks the sources, all of it even when the first complains; returns the worst exit code."""
    python = str(VENV_PYTHON)
    targets = ["main.py", "sample_app.py", "run.py", "background", "tests", "examples", "benchmarks", "docs", ".ci"]
    typed = [name for name in targets if (ROOT / name).is_file() or any((ROOT / name).rglob("*.py"))]
    return max(
        call(python, "-m", "ruff", "check", "."),
        call(python, "-m", "ruff", "format", "--check", "."),
        call(python, "-m", "mypy", *typed),
        call(python, "-c", IMPORT_LINTER, "drawgraph", "background"),
        call(python, "-c", IMPORT_LINTER, "lint", "--no-logo", "--no-cache"),
        lint_page(),
    )


def lint_page() -> int:
    """biome and tsc on the page; where they cannot be had, one line says so."""
    try:
        npm = set_up_node()
    except CannotRun as error:
        print("The page's sources are not checked: " + str(error).splitlines()[0], file=sys.stderr)
        return 0
    return max(call(npm, "run", "--silent", "lint"), call(npm, "run", "--silent", "types"))


def pack() -> int:
    """Makes the packed page anew from its sources."""
    return call(set_up_node(), "run", "--silent", "build")


def docs(more: List[str]) -> int:
    """mkdocs: the pages under docs/ as a site, in site/; `serve` shows them while they are written."""
    os.environ["NO_MKDOCS_2_WARNING"] = "1"
    become("-m", "mkdocs", *(more or ["build", "--strict", "--clean"]))


def coverage(more: List[str]) -> int:
    """The tests with each line noted that runs, in the processes they start too; then what never ran."""
    run = [str(VENV_PYTHON), "-m", "coverage"]
    call(*run, "erase")
    failed = call(*run, "run", "-m", "pytest", *more)
    return max(failed, call(*run, "combine", "--quiet"), call(*run, "report"))


def lock_requirements(more: List[str]) -> int:
    """Makes the lock files anew, each constrained by the one before; `more` goes to `uv pip compile`."""
    uv = [str(VENV_PYTHON), "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--generate-hashes"]
    everywhere = ["--universal", "--python-version", "{}.{}".format(*OLDEST), "--only-binary", ":all:"]
    for index, lock in enumerate(LOCKS):
        constraint = ["-c", LOCKS[index - 1]] if index else []
        failed = call(*uv, *everywhere, *more, *SOURCES[: index + 1], *constraint, "-o", lock)
        if failed:
            return failed
    return call(*uv, *everywhere, *more, f"{PEERS}.txt", "-c", DEV, "-o", f"{PEERS}.lock")


COMMANDS = {
    "demo": Command(
        "set up, start everything, run one job and each kind of canvas, stop",
        LOCAL,
        lambda _: become("-m", "background.local", "demo"),
        takes_arguments=False,
    ),
    "up": Command(
        "set up and serve until Ctrl-C: API and page :8000, Flower :5555, a worker",
        LOCAL,
        lambda _: become("-m", "background.local", "up"),
        takes_arguments=False,
    ),
    "setup": Command("only make .venv with what demo and up need", LOCAL, lambda _: 0, takes_arguments=False),
    "test": Command("the whole test suite; arguments go to pytest; --celery 5.7.0: canvases under it", DEV, test),
    "lint": Command(
        "ruff and the type check; biome and tsc where Node.js is", DEV, lambda _: lint(), takes_arguments=False
    ),
    "pack": Command(
        "make the packed page anew from its sources; needs Node.js", None, lambda _: pack(), takes_arguments=False
    ),
    "bench": Command(
        "the benchmarks; --help names them, and those that take long",
        DEV,
        lambda more: become_module("benchmarks", more),
    ),
    "chaos": Command("the long fault run", DEV, lambda more: become_module("tests.acceptance.chaos", more)),
    "fuzz": Command("generated requests", DEV, lambda more: become_module("tests.acceptance.fuzz", more)),
    "coverage": Command("the tests, then which lines never ran; arguments go to pytest", DEV, coverage),
    "docs": Command("the pages of docs/ as a site in site/; docs serve shows it", DEV, docs),
    "audit": Command(
        "an SBOM of the locks, and what is known against their packages",
        None,
        lambda more: call(base_python(), str(ROOT / ".ci" / "audit.py"), *more),
    ),
    "lock": Command("make the *.lock files anew; --upgrade for the newest versions", DEV, lock_requirements),
}


def usage() -> str:
    """What `--help` prints."""
    lines = ["usage: python3 run.py COMMAND", ""]
    lines += [f"  {name:8} {command.summary}" for name, command in COMMANDS.items()]
    lines += ["", "Settings come from the environment or from .env; .env.example names them all."]
    return "\n".join(lines)


def main(arguments: List[str]) -> int:
    """Runs one command; returns the exit code where the command did not replace this process.

    Raises `CannotRun` with the line that says what is missing or wrong.
    """
    if sys.version_info < OLDEST:
        raise CannotRun(explain_old_python())
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if arguments else 2
    name, more = arguments[0], arguments[1:]
    command = COMMANDS.get(name)
    if command is None:
        raise CannotRun(f"There is no command {name!r}; there are: {', '.join(COMMANDS)}.")
    if more and not command.takes_arguments:
        if more[0] in ("-h", "--help"):
            print(usage())
            return 0
        raise CannotRun(f"{name} takes no arguments, but was given: {' '.join(more)}")
    os.chdir(str(ROOT))
    if command.lock:
        set_up(command.lock)
    return command.start(more)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except CannotRun as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"run.py cannot go on: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
