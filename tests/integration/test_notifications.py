"""Writers notify while somebody listens, and only then: commits that notify wait for each other."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from background.storage import database
from background.streams import sql
from tests.acceptance.event_streams import make_job, write_event
from tests.support import transaction

pytestmark = pytest.mark.usefixtures("postgres")


def heard(driver: Any) -> int:
    """How many notifications came since the last look."""
    with driver.cursor() as cursor:
        # Whatever was notified before comes with the answer.
        cursor.execute("SELECT 1")
    driver.poll()
    number = len(driver.notifies)
    driver.notifies.clear()
    return number


def test_only_while_somebody_listens() -> None:
    listening = database.listen(sql.CHANNEL, seconds=4)
    assert listening
    driver: Any = listening.connection.driver_connection
    try:
        with transaction() as connection:
            connection.execute(text("DELETE FROM event_listeners"))
            job_id = make_job(connection)
        for signed_in, seconds, expected in ((False, 0, 0), (True, 60, 1), (True, -1, 0)):
            if signed_in:
                with transaction() as connection:
                    sql.sign_in(connection, str(uuid4()), seconds=seconds)
                    if seconds < 0:
                        connection.execute(text("UPDATE event_listeners SET until = now() - interval '1 second'"))
            with transaction() as connection:
                write_event(connection, job_id)
                write_event(connection, job_id)
            assert heard(driver) == expected
    finally:
        listening.invalidate()
        listening.close()


def test_who_does_not_sign_in_again_is_forgotten() -> None:
    with transaction() as connection:
        sql.sign_in(connection, str(uuid4()), seconds=-1)
    with transaction() as connection:
        sql.sign_in(connection, str(uuid4()), seconds=60)
        assert connection.execute(text("SELECT count(*) FROM event_listeners WHERE until < now()")).scalar_one() == 0
        connection.execute(text("DELETE FROM event_listeners"))
