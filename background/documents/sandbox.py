"""Reading an untrusted file in a process of its own, which has to end soon and cannot take all memory.

Parsers have bad cases that no check beforehand finds: a few hundred kilobytes of nested tags keep an HTML
parser busy for minutes, a crafted PDF keeps a PDF parser. Run as a module it is that process:
`python -m background.documents.sandbox <media type> <path> <where the text goes> <seconds>`; it says what is wrong.
"""

import contextlib
import fcntl
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from background.base.errors import Invalid, Unavailable
from background.documents.extraction import ExtractedText, Facts
from background.documents.naming import PLAIN, refused

CPU_SECONDS: Final = 30
WALL_SECONDS: Final = 60.0
MEMORY_BYTES: Final = 1536 * 1024 * 1024
PLACES: Final = 3
SMALL_BYTES: Final = 64 * 1024

_PROJECT: Final = Path(__file__).resolve().parents[2]
_LAUNCHER: Final = _PROJECT / "background" / "local" / "launcher.py"


def extract_apart(path: Path, media_type: str, target: Path, *, places: Path, cpu_seconds: int = CPU_SECONDS) -> None:
    """`extraction.extract` into the file `target`, with bounds: `cpu_seconds` of processor time, 60 s in all, 1.5 GiB.

    At most three read at once, of all processes that name the same folder `places`. Little plain text is read in this
    process, where it is safe and quicker. The other one ends with this one (Linux). Raises what `extract` raises,
    `Invalid` where a bound is passed, `Unavailable` when no place gets free in time.
    """
    if media_type == PLAIN and path.stat().st_size <= SMALL_BYTES:
        from background.documents.extraction.extract import extract

        write_text(target, extract(path, media_type))
        return
    ending_with_us = [sys.executable, str(_LAUNCHER), str(os.getpid()), str(signal.SIGKILL.value), "-"]
    words = [media_type, str(path.absolute()), str(target.absolute()), str(cpu_seconds)]
    try:
        with _place(places):
            # A session of its own: Ctrl-C in a terminal must not look like a file that crashes its reader.
            done = subprocess.run(
                [*ending_with_us, sys.executable, "-m", __name__, *words],
                cwd=_PROJECT,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=WALL_SECONDS,
                check=False,
                start_new_session=True,
            )
    except subprocess.TimeoutExpired:
        raise _too_much() from None
    if done.returncode == -signal.SIGTERM:  # the machine, or the whole unit, is being stopped
        raise RuntimeError("the reading process was told to end")
    if done.returncode < 0:  # ended by a signal: a limit, or a crash inside a parser
        raise _too_much()
    if done.returncode > 0:
        raise RuntimeError(f"the reading process failed: {done.stderr.decode(errors='replace')[-2000:]}")
    if done.stdout:
        told = json.loads(done.stdout)
        raise refused(told["message"], code=told["code"], **told["values"])


def _too_much() -> Invalid:
    return refused("The file takes too much time or memory to read.", code="document_too_much")


def write_text(target: Path, extracted: ExtractedText) -> None:
    """Write what is known of a text in one line, and the text below it."""
    target.write_bytes(extracted.facts.model_dump_json().encode() + b"\n" + extracted.text.encode())


def read_facts(target: Path) -> Facts | None:
    """What `write_text` wrote in the first line; None when there is nothing, or it is damaged."""
    try:
        with target.open("rb") as file:
            return Facts.model_validate_json(file.readline())
    except (FileNotFoundError, ValidationError):
        return None


def read_text(target: Path) -> ExtractedText | None:
    """All of what `write_text` wrote; None when there is nothing, or it is damaged."""
    facts = read_facts(target)
    text = target.read_bytes().partition(b"\n")[2].decode("utf-8", "replace") if facts is not None else ""
    return ExtractedText(facts, text) if facts is not None and len(text) == facts.characters else None


@contextlib.contextmanager
def _place(folder: Path) -> Iterator[None]:
    """One of the places to read in: a lock on a folder, which ends with its process, whatever becomes of that."""
    until = time.monotonic() + 2 * WALL_SECONDS
    while time.monotonic() < until:
        for number in range(PLACES):
            (folder / str(number)).mkdir(mode=0o700, parents=True, exist_ok=True)
            place = os.open(folder / str(number), os.O_RDONLY)
            try:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    yield
                    return
            finally:
                os.close(place)
        time.sleep(0.05)
    raise Unavailable("Too many documents are being read; try again soon.", code="busy")


def _limit_resources(cpu_seconds: int) -> None:
    import resource

    os.nice(10)  # the API goes first
    limits = ((resource.RLIMIT_CPU, cpu_seconds), (resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CORE, 0))
    for kind, limit in limits:
        _, hard = resource.getrlimit(kind)
        # A stricter limit stays; macOS refuses to limit memory.
        if hard == resource.RLIM_INFINITY or hard > limit:
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(kind, (limit, hard))


def _main() -> None:
    from background.documents.extraction.extract import extract

    logging.disable()  # parsers comment on every oddity of a file
    media_type, path, target, cpu_seconds = sys.argv[1:]
    _limit_resources(int(cpu_seconds))
    try:
        write_text(Path(target), extract(Path(path), media_type))
    except (Invalid, MemoryError) as error:
        found = error if isinstance(error, Invalid) else _too_much()
        print(json.dumps({"message": str(found), "code": found.code, "values": found.values}))


if __name__ == "__main__":
    _main()
