"""What a child that is forked in the middle of somebody else's code must not do: go on in ours."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def kept_in() -> Iterator[None]:
    """A block of anybody's code. A child that is forked in it ends where it would leave it, returning or raising.

    It would go on as a second worker: with the same message, and with sockets that it shares.
    """
    process = os.getpid()
    try:
        yield
    except BaseException as error:
        if os.getpid() != process:
            _end(error)
        raise
    if os.getpid() != process:
        _end(None)


def _end(error: BaseException | None) -> None:
    """End this process as Python would after this error, but without what is done at the exit of a worker."""
    code = 0
    if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
        code = error.code or 0
    elif error is not None:
        code = 1
        traceback.print_exception(error)
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(code & 0xFF)
