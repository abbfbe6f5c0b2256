"""Clients that submit jobs of all kinds, cancel and retry some, and remember what they were promised."""

import random
import threading
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import httpx2 as httpx

CLIENTS = 3
BACKLOG = 60
"""With so many jobs waiting clients hold back: the end is to come within seconds of the last fault."""
STEP_SECONDS = (0, 0.1, 0.3, 0.5, 1.0)
HIGH_LIMIT = 100
"""Most jobs may fail so often that a FAILED one hides no loss."""


class Load:
    """Threads that submit about `rate` jobs a second until `stop`."""

    def __init__(
        self, *, base_url: httpx.URL, rate: float, seed: int, step_seconds: Sequence[float] = STEP_SECONDS
    ) -> None:
        self.accepted: set[int] = set()
        self.cancelled: set[int] = set()
        self.odd_answers: list[str] = []
        """What no client should see: neither what was asked for nor an honest 503."""
        self._base_url = base_url
        self._pause = CLIENTS / rate
        self._step_seconds = step_seconds
        self._ending = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(f"{seed}-{number}"),), daemon=True)
            for number in range(CLIENTS)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, once each client has had its answer."""
        self._ending.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, rng: random.Random) -> None:
        with httpx.Client(base_url=self._base_url, timeout=10) as client:
            while not self._ending.wait(rng.uniform(0.5, 1.5) * self._pause):
                if self._backlog(client) < BACKLOG:
                    self._submit(client, rng)

    def _backlog(self, client: httpx.Client) -> int:
        answer = self._ask(client, "GET", "/jobs", params={"status": "PENDING", "limit": BACKLOG})
        return len(answer.json()) if answer is not None else 0

    def _submit(self, client: httpx.Client, rng: random.Random) -> None:
        body = random_job(rng, self._step_seconds)
        headers = {"Idempotency-Key": str(UUID(int=rng.getrandbits(128)))} if rng.random() < 0.25 else {}
        answer = self._ask(client, "POST", "/jobs", json=body, headers=headers)
        while headers and answer is None and not self._ending.wait(0.5):
            answer = self._ask(client, "POST", "/jobs", json=body, headers=headers)
        if answer is None or not answer.is_success:
            return
        job_id = answer.json()["job_id"]
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

    def _ask(self, client: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response | None:
        """The answer, or `None` where there was none or only a 503: then it is worth asking again."""
        try:
            answer = client.request(method, path, **more)
        except httpx.TransportError:
            return None
        # Whether a job of the other release is taken depends on which release the API is.
        other = {422} if more.get("json", {}).get("pipeline", "demo") != "demo" else set()
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


def random_job(rng: random.Random, step_seconds: Sequence[float]) -> dict[str, Any]:
    """The body of a job: quick or slow, some failing at first, delayed, urgent, or soon out of attempts.

    A fifth have steps that wait without a slot, ask to be run later and act once; of the others a quarter are of
    pipelines that another release has otherwise.
    """
    if rng.random() < 0.2:
        return {"pipeline": "odd", "params": {"seconds": rng.choice(step_seconds)}, "max_attempts": HIGH_LIMIT}
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
