"""Clients that submit jobs of all kinds, cancel and retry some, and remember what they were promised.

Beside them somebody pauses and resumes, a program makes jobs in transactions of its own, and an address is told.
"""

import random
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx2 as httpx
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from background.jobs import enqueue
from tests.acceptance.callbacks import Stub, verified
from tests.acceptance.chaos.audit import Pause, Told
from tests.acceptance.chaos.steps import SECOND_QUEUE

CLIENTS = 3
BACKLOG = 60
"""With so many jobs waiting clients hold back: the end is to come within seconds of the last fault."""
STEP_SECONDS = (0, 0.1, 0.3, 0.5, 1.0)
HIGH_LIMIT = 100
"""Most jobs may fail so often that a FAILED one hides no loss."""


PAUSED = (("queue", SECOND_QUEUE), ("pipeline", "few"), ("pipeline", "hooked"))
RESUMED = {"paused": False}
SCHEDULES = [
    {"name": pipeline, "pipeline": pipeline, "every_seconds": 1, "catch_up": catch_up, "max_attempts": HIGH_LIMIT}
    for pipeline, catch_up in (("few", False), ("elsewhere", True), ("rated", True))
]


class Load:
    """Threads that submit about `rate` jobs a second until `stop`. `engine` is of the database, past all faults."""

    def __init__(
        self,
        *,
        base_url: httpx.URL,
        engine: Engine,
        rate: float,
        seed: int,
        step_seconds: Sequence[float] = STEP_SECONDS,
    ) -> None:
        self.accepted: set[int] = set()
        self.cancelled: set[int] = set()
        self.rolled_back: set[UUID] = set()
        self.paused: list[Pause] = []
        self.odd_answers: list[str] = []
        """What no client should see: neither what was asked for nor an honest 503."""
        self.stub = Stub()
        self._base_url = base_url
        self._engine = engine
        self._pause = CLIENTS / rate
        self._step_seconds = step_seconds
        self._ending = threading.Event()
        runs: list[Callable[[random.Random], None]] = [*[self._submit_some] * CLIENTS, self._pause_some, self._trade]
        self._threads = [
            threading.Thread(target=run, args=(random.Random(f"{seed}-{number}"),), daemon=True)
            for number, run in enumerate(runs)
        ]

    def start(self) -> None:
        """Begin, before there are faults."""
        with self._client() as client:
            for schedule in SCHEDULES:
                assert self._ask(client, "POST", "/schedules", json=schedule) is not None
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, once each client has had its answer."""
        self._ending.set()
        for thread in self._threads:
            thread.join(60)

    def resume(self) -> bool:
        """Let go on what was paused; whether that was answered."""
        paths = [f"/{kind}s/{name}" for kind, name in PAUSED]
        with self._client() as client:
            return all(self._ask(client, "PATCH", path, json=RESUMED) is not None for path in paths)

    def pause_schedules(self) -> bool:
        """Let them make no more jobs; whether that was answered."""
        with self._client() as client:
            found = self._ask(client, "GET", "/schedules")
            return found is not None and all(
                self._ask(client, "PATCH", f"/schedules/{each['id']}", json={"paused": True}) is not None
                for each in found.json()
            )

    def told(self) -> list[Told]:
        """What the address was told; what is not signed raises."""
        found = []
        for path in list(self.stub.got.values()):
            for headers, body in path:
                end = verified(headers, body)["data"]
                found.append(Told(int(headers["webhook-id"].split("-")[1]), end["id"], end["status"]))
        return found

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self._base_url, timeout=10)

    def _submit_some(self, rng: random.Random) -> None:
        tag, tagged = f"client-{rng.getrandbits(32)}", set[int]()
        with self._client() as client:
            while not self._ending.wait(rng.uniform(0.5, 1.5) * self._pause):
                if self._backlog(client) < BACKLOG:
                    body = random_job(rng, self._step_seconds)
                    if rng.random() < 0.1:
                        # The first call is not taken.
                        body["callback_url"] = f"{self.stub.url}/{rng.choice(['200', '500-200'])}/{rng.getrandbits(64)}"
                    if rng.random() < 0.15:
                        body["tags"] = [tag]
                    job_id = self._submit(client, rng, body)
                    if job_id is not None and "tags" in body:
                        tagged.add(job_id)
                if rng.random() < 0.03:
                    self._act(client, rng.choice(["cancel", "retry"]), tag, tagged)

    def _act(self, client: httpx.Client, action: str, tag: str, tagged: set[int]) -> None:
        """Do this to all jobs of this tag."""
        if action == "cancel":
            self.cancelled |= tagged
        answer = self._ask(client, "POST", "/jobs/actions", json={"action": action, "filter": {"tag": tag}})
        if answer is not None and answer.is_success:
            found = answer.json()
            if found["done"] + found["refused"] != found["matched"]:
                self.odd_answers.append(f"{action} of {tag}: {found}")

    def _pause_some(self, rng: random.Random) -> None:
        """One after the other, for a few seconds each."""
        with self._client() as client:
            while not self._ending.wait(rng.uniform(0.5, 2)):
                kind, name = rng.choice(PAUSED)
                answer = self._ask(client, "PATCH", f"/{kind}s/{name}", json={"paused": True})
                since = datetime.now(UTC)
                self._ending.wait(rng.uniform(1, 3))
                if answer is not None:
                    self.paused.append(Pause(kind, name, since, datetime.now(UTC)))
                while self._ask(client, "PATCH", f"/{kind}s/{name}", json=RESUMED) is None:
                    if self._ending.wait(0.2):
                        return

    def _trade(self, rng: random.Random) -> None:
        """Make jobs in transactions, some of which are rolled back, or break off."""
        while not self._ending.wait(rng.uniform(0.5, 1.5)):
            with suppress(DBAPIError), self._engine.connect() as connection:
                made = [enqueue(connection, "demo", {"step_seconds": 0.0}, max_attempts=100) for _ in range(2)]
                if rng.random() < 0.3:
                    connection.rollback()
                    self.rolled_back.update(each.task_id for each in made)
                else:
                    connection.commit()
                    self.accepted.update(each.id for each in made)

    def _backlog(self, client: httpx.Client) -> int:
        answer = self._ask(client, "GET", "/jobs", params={"status": "PENDING", "limit": BACKLOG})
        return len(answer.json()) if answer is not None else 0

    def _submit(self, client: httpx.Client, rng: random.Random, body: dict[str, Any]) -> int | None:
        """The id of the job that the answer gives, if there is one; what else is done to it is up to chance."""
        # A job that another one answers for leaves no key behind.
        keyed = "unique_key" not in body and rng.random() < 0.25
        headers = {"Idempotency-Key": str(UUID(int=rng.getrandbits(128)))} if keyed else {}
        answer = self._ask(client, "POST", "/jobs", json=body, headers=headers)
        while headers and answer is None and not self._ending.wait(0.5):
            answer = self._ask(client, "POST", "/jobs", json=body, headers=headers)
        if answer is None or not answer.is_success:
            return None
        job_id = int(answer.json()["job_id"])
        self.accepted.add(job_id)
        if headers and rng.random() < 0.3:
            again = self._ask(client, "POST", "/jobs", json=body, headers=headers)
            if again is not None and again.is_success and (again.status_code, again.json()["job_id"]) != (200, job_id):
                self.odd_answers.append(f"job {job_id} sent again under its key: {again.status_code} {again.text}")
        if rng.random() < 0.08:
            # Whether or not the answer comes, it may have been done.
            self.cancelled.add(job_id)
            self._ask(client, "POST", f"/jobs/{job_id}/cancel")
        if rng.random() < 0.08:
            self._ask(client, "POST", f"/jobs/{rng.choice(tuple(self.accepted))}/retry", json={"from_step": 1})
        return job_id

    def _ask(self, client: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response | None:
        """The answer, or `None` where there was none or only a 503: then it is worth asking again."""
        try:
            answer = client.request(method, path, **more)
        except httpx.TransportError:
            return None
        # Whether a job of the other release is taken depends on which release the API is.
        other = {422} if more.get("json", {}).get("pipeline") in dict(RELEASED) else set()
        allowed = {200, 201, 202, 503} | ({409} if path != "/jobs" else set()) | other
        if answer.status_code not in allowed:
            self.odd_answers.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return None if answer.status_code == 503 else answer


RELEASED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("same", {}),
    ("inserted", {}),
    ("removed", {}),
    ("renamed", {}),
    ("reordered", {}),
    ("demanding", {}),
    ("demanding", {"customer": 7}),
    ("stricter", {"note": "by hand"}),
    ("upgraded", {"amount": 3}),
    ("upgraded", {"cents": 300}),
    ("retired", {}),
    ("added", {}),
)
"""Pipelines of one release or both, with parameters for one or both."""


MIXED: tuple[dict[str, Any], ...] = (
    {"pipeline": "few"},
    *({"pipeline": "by_customer", "params": {"customer": customer}} for customer in (1, 1, 2)),
    {"pipeline": "rated"},
    {"pipeline": "elsewhere"},
    {"pipeline": "hooked"},
    {"pipeline": "hooked", "params": {"fail": True}, "max_attempts": 2},
    *({"pipeline": "demo", "unique_key": key} for key in ("a key", "another key")),
)
"""Limited in number or by time, of another queue, with hooks, and such of which one at a time is made."""


def random_job(rng: random.Random, step_seconds: Sequence[float]) -> dict[str, Any]:
    """The body of a job: quick or slow, some failing at first, delayed, urgent, or soon out of attempts.

    A fifth have steps that wait without a slot, ask to be run later and act once; a third of the others are `MIXED`,
    and of what is left a quarter are of pipelines that another release has otherwise.
    """
    if rng.random() < 0.2:
        return {"pipeline": "odd", "params": {"seconds": rng.choice(step_seconds)}, "max_attempts": HIGH_LIMIT}
    if rng.random() < 0.33:
        mixed = rng.choice(MIXED)
        name = "step_seconds" if mixed["pipeline"] == "demo" else "seconds"
        params = {name: rng.choice(step_seconds), **mixed.get("params", {})}
        return {"max_attempts": HIGH_LIMIT, **mixed, "params": params}
    if rng.random() < 0.25:
        pipeline, wanted = rng.choice(RELEASED)
        params = {"seconds": rng.choice(step_seconds), **wanted}
        return {"pipeline": pipeline, "params": params, "max_attempts": HIGH_LIMIT}
    params = {"step_seconds": rng.choice(step_seconds)}
    if rng.random() < 0.15:
        params |= {"fail_at_step": rng.randint(1, 3), "fail_times": rng.randint(1, 2)}
    body: dict[str, Any] = {
        "params": params,
        "priority": rng.choice([0, 0, 0, 0, 5, 9]),
        "max_attempts": rng.randint(1, 3) if rng.random() < 0.05 else HIGH_LIMIT,
    }
    if rng.random() < 0.1:
        body["delay_seconds"] = rng.uniform(0.5, 4)
    return body
