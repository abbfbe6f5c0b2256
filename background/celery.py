"""The Celery application: `celery -A background.celery.celery_app worker`.

It has a module of its own because a worker, Flower and the API each need it and must not need each other. The
task modules are named, not imported: a worker imports them when it starts (`include`), the API never does.
"""

import os
import sys
from typing import Any

from celery import Celery
from celery.app.backends import by_url
from celery.backends.redis import RedisBackend, ResultConsumer  # type: ignore[attr-defined]
from celery.exceptions import ImproperlyConfigured
from celery.result import AsyncResult
from celery.signals import import_modules, setup_logging, worker_init
from kombu import Exchange, Queue
from sqlalchemy import create_engine
from sqlalchemy.exc import ArgumentError

from background.base import exact, logs, redis_url
from background.base.queue_names import QUEUE
from background.intake import results, transport
from background.settings import get_settings

VISIBILITY_SECONDS = 120
"""After this long without an acknowledgement Redis hands a canvas message out again: longer than any task of the
catalogue may run."""

RESULTS_KEPT_SECONDS = 24 * 3600
"""How long Celery keeps the results of canvas tasks; what is recorded in PostgreSQL stays."""

RELEASE_SECONDS = 24 * 3600
"""How long a release's own queue stays in Redis after the last message for it."""

RELEASES = f"{QUEUE}."
"""How the name of a release's own queue begins."""
PRIORITIES = range(10)
"""Redis has no priorities; kombu keeps one list for each and serves the lowest first. That of 0 has the name of its
queue alone, and all goes there that does not ask for another one: of jobs PostgreSQL knows the order."""
PRIORITY_SEPARATOR = "\x06\x16"


def queue_of(release: str | None, *, queue: str = QUEUE) -> Queue:
    """The queue that only the workers of this release serve, for jobs that others turned away; or `queue`.

    Without an exchange: its bindings would stay in Redis for ever. That of a release goes by itself `RELEASE_SECONDS`
    after the last message: those are spare, and recovery publishes again what still waits.
    """
    name = f"{RELEASES}{release}" if release else queue
    return Queue(name, Exchange(""), routing_key=name, expires=RELEASE_SECONDS if release else None)


def serve(queues: Any, queue: Queue) -> None:
    """Let a worker with these `queues` (`app.amqp.queues`) consume this one, too.

    Celery gives a queue without an exchange its default one, and a worker binds that.
    """
    exchange = queue.exchange
    queues.select_add(queue)
    queue.exchange = exchange


def served() -> list[str]:
    """The queues whose jobs this worker runs: those that it was started with (`-Q`), as its children know them, too."""
    return [name for name in celery_app.amqp.queues.consume_from if not name.startswith(RELEASES)]


class WaitersConsumer(ResultConsumer):  # type: ignore[misc]
    """Subscribes to results when somebody waits for them (`get`), not whenever a task is sent.

    Celery's own does, and reads only when somebody waits: meanwhile what Redis answers stays in Redis, up to 32 MB
    for each thread, and in the sender's memory (https://github.com/celery/celery/issues/6963).

    Whoever waits gets the result. Celery's own gives it to the first object with this id that it knows of: to one that
    is not collected yet of a group which the same process has sent. The end of a header then waited for ever.
    """

    def consume_from(self, task_id: str) -> None:
        """A task was sent."""

    def on_wait_for_pending(self, result: Any, **options: Any) -> None:
        """Somebody waits for a task, or for the members of a group."""
        waited_for, sent = self._pending_results
        for each in getattr(result, "results", [result]):
            if isinstance(each, AsyncResult):
                sent.pop(each.id, None)
                waited_for[each.id] = each
            super().consume_from(each.id)
        super().on_wait_for_pending(result, **options)


RedisBackend.ResultConsumer = WaitersConsumer

exact.register()
transport.register()
results.register()

CONFIGURATION: dict[str, Any] = {
    "task_serializer": "json",
    "result_serializer": "json",
    "accept_content": ["json"],
    "enable_utc": True,
    "timezone": "UTC",
    "worker_prefetch_multiplier": 1,
    "worker_consumer": "background.intake.consumer:Consumer",
    # A worker starts, and stays, while the broker is away.
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    # Also while the broker answers, but takes nothing: a failover would end the worker (Redis says UNBLOCKED).
    "broker_channel_error_retry": True,
    "broker_transport_options": {
        "visibility_timeout": VISIBILITY_SECONDS,
        "priority_steps": list(PRIORITIES),
        "sep": PRIORITY_SEPARATOR,
        # Looks every 5 s for messages that were held too long (kombu: every 100 s).
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "queue_order_strategy": "priority",
    },
    # A result that Redis does not take is tried again; else a restart of it would run the task a second time.
    "result_backend_always_retry": True,
    "result_backend_transport_options": {"visibility_timeout": VISIBILITY_SECONDS},
    "task_default_queue": QUEUE,
    "task_default_priority": 0,
    # Flower shows what workers report.
    "worker_send_task_events": True,
    "result_expires": RESULTS_KEPT_SECONDS,
    # A database as result backend may be away when a process starts: it makes its tables when it first needs them.
    "database_create_tables_at_setup": False,
}
"""What decides what Celery builds and how it behaves, the same wherever a canvas is asked about or run."""

celery_app = Celery(
    "background",
    broker=get_settings().broker_url,
    backend=get_settings().result_backend,
    include=["background.task.test_tasks", "background.task.document_tasks", "background.task.job_tasks"],
    # Celery's own tasks (map, starmap) are recorded as all others are. By name: it stands above this.
    task_cls="background.canvas.recorder:RecordedTask",
)
celery_app.conf.update(CONFIGURATION)
# Flower does not read it in the URL.
celery_app.conf.broker_use_ssl = redis_url.tls_options(get_settings().broker_url) or False
if "flower" in sys.argv:
    # Flower reads the environment alone, after this, where an empty login is one that nobody has. A command line would
    # show it to everybody on the machine.
    os.environ.pop("FLOWER_BASIC_AUTH", None)
    if (_logins := get_settings().flower_basic_auth) is not None:
        os.environ["FLOWER_BASIC_AUTH"] = _logins.get_secret_value()


def require_result_backend(value: str) -> None:
    """Raise `SystemExit`, with one line that names the variable, for a result backend that Celery cannot use."""
    from celery.backends.database import DatabaseBackend

    unusable = (ImproperlyConfigured, ImportError, AttributeError, TypeError, ValueError, ArgumentError)
    try:
        found: Any = by_url(value, celery_app.loader)
    except unusable:
        raise SystemExit(
            "CELERY_RESULT_BACKEND: names no result backend of Celery; it takes a URL such as redis://localhost:6379/0"
            " or db+postgresql+psycopg2://user:password@host:5432/name"
        ) from None
    backend, url = found
    try:
        made = backend(app=celery_app, url=url)
        if isinstance(made, DatabaseBackend):
            create_engine(made.url)  # type: ignore[attr-defined]  # finds out whether its driver is there
    except unusable as error:
        reason = " ".join(str(error).replace(value, "it").split())
        raise SystemExit(f"CELERY_RESULT_BACKEND: Celery cannot use it: {reason}") from None


if get_settings().celery_result_backend is not None:
    require_result_backend(get_settings().result_backend)


@import_modules.connect
def _log_as_all_do(**_: Any) -> None:
    """Every `celery` command logs as all processes here do; Flower, which asks for none, would as Tornado does."""
    logs.configure(get_settings().log_format)


@setup_logging.connect
def _configure_logging(loglevel: int | str, **_: Any) -> None:
    """A worker logs as every other process here does, at the level it was started with."""
    logs.configure(get_settings().log_format, level=loglevel)


@worker_init.connect
def _require_pool(sender: Any, **_: Any) -> None:
    """Raise `SystemExit` for a pool of greenlets.

    Under gevent what is to be tried again never is: Celery's timers may not wait for the broker there. Under eventlet,
    which takes `select.poll` away, no wait for PostgreSQL can be given an end.
    """
    pool = sender.pool_cls.__module__.rpartition(".")[2]
    if pool in ("gevent", "eventlet"):
        raise SystemExit(f"--pool={pool}: does not work here; prefork, threads and solo do")


@worker_init.connect
def _serve_nothing_more(sender: Any, **_: Any) -> None:
    """Without `-Q`, Celery counts each queue that it publishes to among those it consumes, once it connects anew.

    So until https://github.com/celery/celery/pull/10335.
    """
    queues = sender.app.amqp.queues
    queues.select(list(queues.consume_from))


@worker_init.connect
def _reserve_nothing_behind_a_long_step(sender: Any, **_: Any) -> None:
    """A canvas message that waits behind a long step would be handed out again, and run twice.

    Only under prefork: the other pools do not wake the loop when a slot is free (threads: a fifth of the speed).
    """
    if sender.pool_cls.__module__ == "celery.concurrency.prefork":
        celery_app.conf.worker_disable_prefetch = True
