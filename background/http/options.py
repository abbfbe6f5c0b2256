"""What uvicorn was told: it does not tell the application."""

import os
import sys
from collections.abc import Sequence


def option(name: str, argv: Sequence[str] | None = None) -> str | None:
    """The value of uvicorn's option `name` (`--host`), on its command line or as `UVICORN_HOST`, if it has one."""
    words = iter(sys.argv if argv is None else argv)
    found = os.environ.get(f"UVICORN_{name.removeprefix('--').replace('-', '_').upper()}")
    for word in words:
        key, assigned, value = word.partition("=")
        if key == name:
            found = value if assigned else next(words, found)
    return found
