"""Wakes workers for jobs that wait and for which nobody else does."""

import json

from background.broker import queues
from background.celery import queue_of
from background.jobs import dispatch
from background.jobs.sql import recovery, turned_away
from background.settings import get_settings
from background.storage import database
from background.upkeep.sql.presence import ToDo
from background.workers import sql as workers


def wake(to_do: ToDo, *, since: float) -> None:
    """Wake workers for what is due, or was turned away by others. Raises `Unavailable`."""
    for queue, due in to_do.due.items():
        dispatch.wake(due, queue=queue, since=since)
    if to_do.turned_away:
        send_on()


def send_on() -> None:
    """Find for each job that was turned away a live release that can run it, and wake that. Raises `Unavailable`."""
    with database.transaction() as connection:
        crews = workers.snapshot(connection, patience=get_settings().lease_seconds).crews
        recalled = turned_away.recall(connection, {crew.release for crew in crews})
        for crew in crews:
            abilities = json.dumps(crew.abilities)
            turned_away.send_to(connection, release=crew.release, abilities=abilities, crew=crew.id, queues=crew.queues)
        sent = recovery.sent_to(connection)
    if recalled:
        queues.empty(*(queue_of(release).name for release in recalled))
    for waiting in sent:
        dispatch.wake(waiting.due, release=waiting.release)
