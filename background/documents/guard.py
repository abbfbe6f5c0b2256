"""Reading an untrusted file in a process of its own, which has to end soon and cannot take all memory.

Parsers have bad cases that no check beforehand finds: a few hundred kilobytes of nested tags keep an HTML
parser busy for minutes, a crafted PDF keeps a PDF parser. Run as a module it is that process:
`python -m background.documents.guard <media type> <path> <seconds>` writes JSON to its standard output.
"""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from background.documents.extraction import ExtractedText, extract
from background.documents.naming import FILE, PLAIN
from background.errors import Invalid

CPU_SECONDS: Final = 30
WALL_SECONDS: Final = 60.0
MEMORY_BYTES: Final = 1536 * 1024 * 1024

SMALL_BYTES: Final = 256 * 1024

_PROJECT: Final = Path(__file__).resolve().parents[2]
_LAUNCHER: Final = _PROJECT / "background" / "local" / "launcher.py"
_TOO_MUCH: Final = "The file takes too much time or memory to read."


def extract_apart(path: Path, media_type: str, *, cpu_seconds: int = CPU_SECONDS) -> ExtractedText:
    """`extraction.extract` with bounds: `cpu_seconds` of processor time, 60 s in all, 1.5 GiB of memory.

    Little plain text is read in this process, where it is safe and quicker. The other one ends with this one (Linux).
    Where the system has no resource limits (Windows) only the 60 s hold. Raises what `extract` raises, `Invalid` where
    a bound is passed.
    """
    if media_type == PLAIN and path.stat().st_size <= SMALL_BYTES:
        return extract(path, media_type)
    ending_with_us = [sys.executable, str(_LAUNCHER), str(os.getpid()), str(signal.SIGKILL.value), "-"]
    command = [*ending_with_us, sys.executable, "-m", __name__, media_type, str(path.absolute()), str(cpu_seconds)]
    try:
        # A session of its own: Ctrl-C in a terminal must not look like a file that crashes its reader.
        done = subprocess.run(
            command,
            cwd=_PROJECT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=WALL_SECONDS,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise Invalid(_TOO_MUCH, where=FILE) from None
    if done.returncode == -signal.SIGTERM:  # the machine, or the whole unit, is being stopped
        raise RuntimeError("the reading process was told to end")
    if done.returncode < 0:  # ended by a signal: a limit, or a crash inside a parser
        raise Invalid(_TOO_MUCH, where=FILE)
    if done.returncode > 0:
        raise RuntimeError(f"the reading process failed: {done.stderr.decode(errors='replace')[-2000:]}")
    answer = json.loads(done.stdout)
    if "invalid" in answer:
        raise Invalid(answer["invalid"], where=FILE)
    return ExtractedText.model_validate(answer)


def _limit_resources(cpu_seconds: int) -> None:
    try:
        import resource
    except ImportError:
        return
    limits = (
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CORE, 0),
    )
    for kind, limit in limits:
        _, hard = resource.getrlimit(kind)
        # A stricter limit stays; macOS refuses to limit memory.
        if hard == resource.RLIM_INFINITY or hard > limit:
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(kind, (limit, hard))


def _main() -> None:
    logging.disable()  # parsers comment on every oddity of a file
    media_type, path, cpu_seconds = sys.argv[1:]
    _limit_resources(int(cpu_seconds))
    try:
        answer = extract(Path(path), media_type).model_dump_json()
    except Invalid as error:
        answer = json.dumps({"invalid": str(error)})
    except MemoryError:
        answer = json.dumps({"invalid": _TOO_MUCH})
    sys.stdout.buffer.write(answer.encode())


if __name__ == "__main__":
    _main()
