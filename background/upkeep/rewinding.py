"""Sets back what PostgreSQL's clock has left ahead of it: else jobs that were due would wait until it has caught up."""

import logging

from background.base.errors import Unavailable
from background.jobs.sql import rewinding
from background.storage import database
from background.upkeep.leases import JUMP_SECONDS

logger = logging.getLogger(__name__)

MOST_SECONDS = 300.0
"""How long it may take: there may be a million such jobs."""


def rewind() -> None:
    """Set it back, unless another worker does. What is ahead by less than a jump is waited for.

    What cannot be done now is for the next look.
    """
    try:
        with database.transaction(seconds=MOST_SECONDS) as connection:
            jump = rewinding.rewind(connection, least=JUMP_SECONDS)
    except Unavailable as error:
        logger.warning("PostgreSQL's clock was set back, and what waits and runs was not: %s", error)
        return
    if jump:
        logger.warning("PostgreSQL's clock was set back by %.1f s; what waits and runs has gone back with it.", jump)
