"""What every worker does beside its tasks, so that no job is lost: loops, each in a thread.

No beat and no extra process: each worker runs these in threads of its main process, which also go on while
a step holds the main thread (solo pool). PostgreSQL's clock is the only one that counts.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

from background.base.errors import Unavailable
from background.jobs import admission
from background.settings import get_settings
from background.upkeep import leases, reaping, rewinding, sweeping, waking
from background.upkeep.presence import PASS_SECONDS, Presence
from background.workers.identity import Identity

logger = logging.getLogger(__name__)

Chore = Callable[[Callable[[float], bool]], object]


class Upkeep:
    """The threads. `start` once the worker is ready, `leave` and `stop` when it ends.

    `chores` are what else the worker does, each in a thread of its own under its name, again and again. It is given
    what waits so many seconds, and says whether to stop.
    """

    def __init__(self, *, worker_id: str, chores: Mapping[str, Chore] | None = None) -> None:
        self.worker_id = worker_id
        self._chores = chores or {}
        self._presence = Presence(worker_id)
        self._steadiness = reaping.Steadiness()
        self._look: leases.Look | None = None
        self._ending = threading.Event()

    def start(self, identity: Identity) -> None:
        """Begin; all threads are daemons and never outlive the process."""
        self._presence.identity = identity
        lease = get_settings().lease_seconds
        for name, action, pause in (
            ("lease", self._keep_leases, lambda: min(lease / 3, 5.0)),
            ("recovery", self._recover, self._presence.pause),
            *((name, partial(chore, self._ending.wait), lambda: PASS_SECONDS) for name, chore in self._chores.items()),
        ):
            threading.Thread(target=self._repeat, args=(action, pause), name=name, daemon=True).start()

    def leave(self) -> None:
        """Sign off from the list of workers; leases are still renewed. Raises `Unavailable`."""
        self._presence.leave()

    def stop(self) -> None:
        """End the threads after what they are doing now."""
        self._ending.set()

    def _repeat(self, action: Callable[[], object], pause: Callable[[], float]) -> None:
        # At once: what only the first pass costs is paid before there are jobs.
        pauses = False
        while not self._ending.wait(pause() if pauses else 0):
            pauses = True
            try:
                action()
            except Unavailable as error:
                logger.warning("%s: %s", threading.current_thread().name, error)
            except Exception:
                # This thread keeps jobs alive; one odd pass must not end it.
                logger.exception("%s: a pass failed", threading.current_thread().name)

    def _keep_leases(self) -> None:
        undisturbed = self._steadiness.undisturbed_for(get_settings().lease_seconds)
        self._look = leases.keep(self._look, worker_id=self.worker_id)
        # A step that ended in time during an outage of PostgreSQL must be able to say so first.
        if undisturbed:
            leases.end_late(worker_id=self.worker_id)

    def _recover(self) -> None:
        since = time.monotonic()
        lease = get_settings().lease_seconds
        try:
            to_do = self._presence.look()
            self._steadiness.note(to_do.clock, started=to_do.started)
            lost = to_do.lost and self._steadiness.seconds >= lease and reaping.reap()
        except Unavailable:
            self._steadiness.forget()
            raise
        if to_do.ahead > leases.JUMP_SECONDS:
            rewinding.rewind()
        waking.wake(to_do, since=since)
        if to_do.held or lost:
            admission.admit()
        # After an outage of PostgreSQL no worker has been seen for a while.
        if to_do.runs and self._steadiness.seconds >= lease:
            sweeping.sweep()
