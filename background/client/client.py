"""Durable jobs for a program that waits for each answer."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, Unpack

from pydantic import BaseModel

from background.client import exchange, operations
from background.client.api import Api
from background.client.errors import Unavailable, Unreachable, WaitTimeout
from background.client.exchange import PATIENCE_SECONDS, Request
from background.client.operations import JobEvent, JobFilters, JobOptions, NewJob, told
from background.client.schedules import Schedules
from background.jobs.filters import MOST_AT_ONCE, ActionOutcome
from background.jobs.schemas import Job, JobCreated, JobWithHistory
from background.jobs.states import ENDED, Action


class Client:
    """The jobs and `schedules` of one API; every method raises `ClientError`.

    An API that is away, as while it is restarted, is asked again during `patience` seconds: to read, and to submit,
    which carries an Idempotency-Key. What might be done twice is not sent twice. Threads may share a client.
    `api` has all paths of the API, in JSON as it comes.
    """

    def __init__(self, url: str, api_key: str | None = None, *, patience: float = PATIENCE_SECONDS) -> None:
        """`url` is such as `http://127.0.0.1:8000`, `api_key` one of `API_KEYS`. Raises `Unusable`."""
        self.api = Api(url, api_key, patience=patience)
        self.schedules = Schedules(self.api)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.api.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give all connections back."""
        self.api.close()

    def submit(
        self, pipeline: str = "demo", *, idempotency_key: str | None = None, **options: Unpack[JobOptions]
    ) -> JobCreated:
        """Store a job: once this returns it is durable, and there once, also where an answer was lost.

        The same `idempotency_key` gives the same job, however often it is submitted. Raises `Invalid` for a pipeline or
        params that cannot be used, `Conflict` for a key that was used for another request.
        """
        request = operations.submit(pipeline, options, key=idempotency_key)
        return told(operations.CREATED, self.api.send(request).content)

    def submit_many(self, jobs: Iterable[NewJob]) -> list[JobCreated]:
        """Store up to 1,000 jobs, all or none; gives them in order.

        Where the answer is lost (`Unreachable` with `sent`) they may have been stored.
        """
        return told(operations.ALL_CREATED, self.api.send(operations.submit_many(jobs)).content)

    def get(self, job_id: int, *, events_before: int | None = None) -> JobWithHistory:
        """One job with its steps and its newest 1,000 events, or those before an event. Raises `NotFound`."""
        return self._get(operations.get(job_id, events_before=events_before))

    def _get(self, request: Request, *, until: float | None = None) -> JobWithHistory:
        return told(operations.JOB_WITH_HISTORY, self.api.send(request, until=until).content)

    def find(self, *, limit: int | None = None, **filters: Unpack[JobFilters]) -> Iterator[Job]:
        """Jobs, newest first, page after page as they are needed; at most `limit` of them."""
        request: Request | None = operations.find(filters, limit=limit)
        left = limit
        while request is not None and left != 0:
            answer = self.api.send(request)
            jobs = told(operations.JOBS, answer.content)[:left]
            yield from jobs
            left = None if left is None else left - len(jobs)
            request = exchange.next_page(operations.PATH, answer)

    def act(self, action: Action | str, *, limit: int = MOST_AT_ONCE, **filters: Unpack[JobFilters]) -> ActionOutcome:
        """Cancel, retry or delete all jobs that are found by these filters, the newest `limit`; gives what came of it.

        Without any filter these are all jobs. What was done stays done, also where the answer is lost. More are left
        where the outcome has a `before`: the same with that goes on.
        """
        return told(operations.OUTCOME, self.api.send(operations.act(action, filters, limit=limit)).content)

    def wait(self, job_id: int, *, timeout: float | None = None) -> JobWithHistory:
        """The job once it has ended, however: see its `status`.

        Raises `WaitTimeout` when it has not after `timeout` seconds, which does nothing to the job; and `Unusable`, a
        `ValueError`, at once for a `timeout` that are no seconds. Without one it waits as long as it takes.
        """
        until = None if timeout is None else time.monotonic() + exchange.checked_seconds("timeout", timeout)
        try:
            job = self._get(operations.get(job_id), until=until)
            while job.status not in ENDED:
                for event in self.api.follow(operations.events_path(job_id), until=until):
                    if operations.has_ended(event):
                        break
                job = self._get(operations.get(job_id), until=until)
        except (WaitTimeout, Unreachable, Unavailable) as error:
            if until is None or time.monotonic() < until:
                raise
            raise operations.too_late(job_id, timeout) from error
        return job

    def cancel(self, job_id: int) -> Job:
        """Cancel a job: a waiting one at once, a running one before its next step. Raises `NotFound`, `Conflict`."""
        return told(operations.JOB, self.api.send(operations.cancel(job_id)).content)

    def retry(
        self,
        job_id: int,
        *,
        from_step: int | None = None,
        params: BaseModel | Mapping[str, Any] | None = None,
        replan: bool = False,
    ) -> Job:
        """Let an ended job go on at its first step that is not COMPLETED, or at `from_step`.

        `params` replace all it had; `replan` gives it the steps of today's release. Raises `NotFound`, `Conflict`,
        `Invalid`.
        """
        request = operations.retry(job_id, from_step=from_step, params=params, replan=replan)
        return told(operations.JOB, self.api.send(request).content)

    def delete(self, job_id: int) -> None:
        """Remove an ended job with its steps and history. Raises `NotFound`, `Conflict`."""
        self.api.send(operations.delete(job_id))

    def events(self, job_id: int | None = None, *, after: str | None = None) -> Iterator[JobEvent]:
        """What happens to a job, from its present state to its end; or to all jobs from now on, without end.

        Each event comes once, whatever happens to the API meanwhile. `after`, the `id` of an event that was seen, goes
        on behind that one. Raises `NotFound`.
        """
        for event in self.api.follow(operations.events_path(job_id), after=after):
            yield operations.event(event)
