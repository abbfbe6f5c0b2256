"""The least there can be: threads that take ids from a Redis list, and one statement for each transition."""

import threading
from collections.abc import Callable

import psycopg2
import redis

from benchmarks.peers import servers

THREADS = 8
QUEUE = "bare"

_TABLES = """
DROP TABLE IF EXISTS bare_steps, bare_jobs;
CREATE TABLE bare_jobs (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, status text NOT NULL DEFAULT 'PENDING',
    step int NOT NULL DEFAULT 0, updated_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE bare_steps (job_id bigint NOT NULL REFERENCES bare_jobs, number int NOT NULL, status text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(), completed_at timestamptz, PRIMARY KEY (job_id, number));
"""
_CREATE = "INSERT INTO bare_jobs (status) SELECT 'PENDING' FROM generate_series(1, %s) RETURNING id"
_PREPARE = """
PREPARE advance (bigint, int) AS
WITH job AS (
    UPDATE bare_jobs SET step = $2 + 1, status = CASE $2 WHEN 3 THEN 'COMPLETED' ELSE 'IN_PROGRESS' END,
        updated_at = now()
    WHERE id = $1 AND step = $2 RETURNING id
), done AS (
    UPDATE bare_steps SET status = 'COMPLETED', completed_at = now() FROM job WHERE job_id = job.id AND number = $2
)
INSERT INTO bare_steps (job_id, number, status) SELECT id, $2 + 1, 'IN_PROGRESS' FROM job WHERE $2 < 3
"""


def prepare() -> None:
    """Make its tables anew."""
    with psycopg2.connect(servers.postgres()) as connection, connection.cursor() as cursor:
        cursor.execute(_TABLES)


def submitter() -> Callable[[int], None]:
    """One insert and one LPUSH, for however many."""
    connection, broker = _connected()

    def submit(number: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_CREATE, [number])
            broker.lpush(QUEUE, *(job_id for (job_id,) in cursor))

    return submit


def work() -> None:
    """All threads of one process."""
    for _ in range(THREADS):
        threading.Thread(target=_loop).start()


def _loop() -> None:
    connection, broker = _connected()
    cursor = connection.cursor()
    cursor.execute(_PREPARE)
    while True:
        _, job_id = broker.brpop([QUEUE])  # type: ignore[misc]  # without a time limit there is one
        for step in range(4):
            cursor.execute("EXECUTE advance (%s, %s)", [int(job_id), step])


def _connected() -> "tuple[psycopg2.extensions.connection, redis.Redis]":
    connection = psycopg2.connect(servers.postgres())
    connection.autocommit = True
    return connection, redis.Redis.from_url(servers.redis())
