"""Adds up what has ended, so that a day or a week can be shown without reading its jobs."""

from collections.abc import Callable

from background.jobs.sql import history
from background.storage import database

UNIT_SECONDS = 60.0
"""How long one unit may take: a thousand jobs a second are added up in a few."""
REST_SECONDS = 60.0
"""Until the next look: the last hour is read from the jobs themselves, so nobody waits for this."""


def add_up(rest: Callable[[float], bool]) -> None:
    """Add up one unit after the other until none is left, and rest then. Raises `Unavailable`.

    `rest` waits so many seconds, and says whether to stop.
    """
    while True:
        with database.transaction(seconds=UNIT_SECONDS) as connection:
            more = history.add_up(connection)
        if rest(0 if more else REST_SECONDS) or not more:
            return
