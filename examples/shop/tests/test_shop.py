"""The shop from its order to its payment, with everything real but the payment service."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psycopg2
import pytest

from background.testing.stack import Stack, running

SHOP = Path(__file__).parents[1]
ORDERS = 4
ROLLED_BACK = """
from sqlalchemy.orm import Session
from background.jobs import enqueue
from shop.tables import Order, engine
with Session(engine) as session:
    session.add(Order(id=900, item="never", cents=1))
    session.flush()
    enqueue(session, "invoice", {"order": 900})
    session.rollback()
"""


@pytest.fixture(scope="module")
def payments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the payment service answers."""
    said = tmp_path_factory.mktemp("payments") / "said.log"
    with said.open("wb") as output:
        command = [sys.executable, "-m", "uvicorn", "shop.payments:app", "--port", "0"]
        process = subprocess.Popen(command, cwd=SHOP, stdout=output, stderr=subprocess.STDOUT)
    try:
        while "running on " not in (text := said.read_text()):
            assert process.poll() is None, text
        yield text.partition("running on ")[2].split()[0]
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def stack(payments: str) -> Iterator[Stack]:
    env = {"PAYMENTS_URL": payments, "PYTHONPATH": f"{SHOP}:{SHOP.parents[1]}"}
    with running(app="shop.app:app", prefix="/durable", env=env, pipelines="shop.pipelines") as system:
        # A second time it finds its own history, and not that of the jobs.
        for _ in range(2):
            alembic(system, "upgrade", "head")
        yield system


def alembic(stack: Stack, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "alembic", *words], cwd=SHOP, env=stack.env, check=True)


def query(stack: Stack, statement: str) -> list[Any]:
    port, password = stack.env["POSTGRES_PORT"], stack.env["POSTGRES_PASSWORD"]
    connection = psycopg2.connect(host="127.0.0.1", port=port, user="postgres", password=password, dbname="celery_jobs")
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())
    finally:
        connection.close()


def test_every_order_is_paid_once_however_the_payment_service_fails(stack: Stack, payments: str) -> None:
    made = [stack.http.post("/orders", json={"item": f"lamp {n}", "cents": 100 + n}).json() for n in range(ORDERS)]
    jobs = [stack.client.wait(each["job_id"], timeout=60) for each in made]
    assert [job.status for job in jobs] == ["COMPLETED"] * ORDERS, jobs
    # It failed twice for each, the second time after it had charged.
    assert {job.attempt for job in jobs} == {3}
    charged = {f"job-{each['job_id']}-step-2": 100 + n for n, each in enumerate(made)}
    assert httpx2.get(f"{payments}/charges").json() == charged
    paid = [stack.http.get(f"/orders/{each['order']}").json() for each in made]
    assert {order["status"] for order in paid} == {"paid"}
    assert len({order["charge"] for order in paid}) == ORDERS


def test_an_order_and_its_job_are_there_together_or_not_at_all(stack: Stack) -> None:
    before = query(stack, "SELECT count(*) FROM jobs")
    subprocess.run([sys.executable, "-c", ROLLED_BACK], cwd=SHOP, env=stack.env, check=True)
    assert query(stack, "SELECT count(*) FROM jobs") == before
    assert query(stack, "SELECT id FROM orders WHERE id = 900") == []


def test_an_order_that_cannot_be_is_refused(stack: Stack) -> None:
    assert stack.http.post("/orders", json={"item": "a lamp", "cents": 0}).status_code == 422
    assert stack.http.get("/orders/123456").status_code == 404


def test_its_migrations_know_its_own_table_alone(stack: Stack) -> None:
    alembic(stack, "check")
    alembic(stack, "upgrade", "shop@head")
    assert query(stack, "SELECT version_num FROM shop_version") == [("0001",)]
    # Those of the jobs are their own.
    assert query(stack, "SELECT count(*) FROM alembic_version WHERE version_num = '0001'") == [(0,)]
