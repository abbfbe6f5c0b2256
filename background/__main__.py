"""`python -m background`: the processes with the project's own defaults, and a client of the API."""

import errno
import os
import sys
from pathlib import Path

import typer

from background.commands import processes

DESCRIPTION = "Celery Playground: start its processes, or talk to its API."
EXIT_CODES = (
    "Exit codes: 0 done; 1 the job or run did not succeed; 2 unusable command line or input; 3 it does not exist, or"
    " its state does not allow this; 4 the API key is missing or not enough; 5 the API cannot be reached; 6 what it"
    " says cannot be written; 130 Ctrl-C."
)
PROGRAM = "playground"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def main() -> None:
    """Run the command named on the command line."""
    # Modules of one's own are found where the command is given, as `python -m` has it; but none in place of a library.
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    for stream in ("stdin", "stdout", "stderr"):
        # Closed, as by `>&-`: then as `> /dev/null`.
        if getattr(sys, stream) is None:
            setattr(sys, stream, Path(os.devnull).open("r" if stream == "stdin" else "w"))  # noqa: SIM115
    try:
        try:
            _run(sys.argv[1:])
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        if error.errno not in FULL or error.filename is not None:  # what has a name is another file
            raise
        # Python would try to write the rest again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"What this says cannot be written: {error.strerror}.", file=sys.stderr)
        sys.exit(6)


def _run(words: list[str]) -> None:
    app = typer.Typer(help=DESCRIPTION, epilog=EXIT_CODES, no_args_is_help=True, pretty_exceptions_enable=False)
    processes.add_to(app)
    if words[:1] not in ([name] for name in processes.NAMES):
        # Who starts a process does not wait for what only the client needs.
        from background.cli import app as client

        client.add_to(app)
    # A shell completes commands of one word: the one that the set-up puts beside python.
    completion = any(word.startswith(("--install-completion", "--show-completion")) for word in words[:1])
    app(prog_name=PROGRAM if completion else None)


if __name__ == "__main__":
    main()
