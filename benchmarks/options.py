"""What the command line asks of the benchmarks beside peers."""

from pathlib import Path
from typing import NamedTuple

from benchmarks.contestants import Contestant


class Options(NamedTuple):
    """How many rounds, for how many seconds each, with whom, and where logs go."""

    rounds: int
    seconds: float
    contestants: list[Contestant]
    scratch: Path
