"""What a worker does on SIGTERM or Ctrl-C: take nothing new, let steps finish for a while, hand the rest back, end.

Jobs go back in PostgreSQL, messages of canvas tasks in Redis.

However the worker was started: the handler is installed once the worker is ready, over Celery's own, because
billiard reads `REMAP_SIGTERM` before any module of ours is imported. The same under every pool: a thread of
the main process does the work, also while a step holds the main thread (solo). The same, too, where every process
is signalled at once, as systemd and a terminal do: a child of the prefork pool leaves it to the main process.
"""

import logging
import mmap
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.util import get_temp_dir
from types import FrameType
from typing import Any

from billiard import active_children
from celery.worker import state as celery_state
from kombu.exceptions import KombuError
from redis import RedisError

from background.base import log_context
from background.base.errors import Unavailable
from background.canvas import judge
from background.canvas.batch import GATHER_SECONDS
from background.canvas.sql import letting_go
from background.jobs import crew, dispatch, event_loop, states, step_logs
from background.jobs.sql import transitions
from background.storage import database, pools
from background.upkeep import requests

logger = logging.getLogger(__name__)

FINISH_SECONDS = 3.0
"""How long a running step may go on."""
END_SECONDS = 6.5
"""For how long canvas tasks may go on, and PostgreSQL is asked to take jobs back."""
LEAVE_SECONDS = 2.0
"""How long a step whose job was handed back has to notice (`context`), and to end what it has started."""
LAST_SECONDS = 7.3
"""When the process ends at the latest, whatever does not answer; 8 s are promised."""
TOLD_SECONDS = 1.0
"""How soon the main process, signalled together with its children, has said that all are to end."""
TURN = signal.SIGURG
"""What a thread sends to the main one, to be told of what came before; ignored by default, and used by nobody here."""


class PlannedStop:
    """The one stop of this worker; `leave` signs it off. Children that are forked later see `asked` change."""

    def __init__(self, *, worker_id: str, leave: Callable[[], None]) -> None:
        self.worker_id = worker_id
        self._leave = leave
        self._consumer: Any = None
        self._end_child: Callable[[int, FrameType | None], object]
        self._flag = mmap.mmap(-1, 1)
        self._turn = threading.Lock()
        self._turned = threading.Event()

    @property
    def asked(self) -> bool:
        """Whether this worker is to end, so that nothing new may be claimed."""
        return self._flag[0] == 1

    def asked_by_now(self) -> bool:
        """`asked`, for a step that has just failed, maybe of the same signal: its own process got it, too.

        Signal handlers run in the main thread. Where the step is another one, it waits until the main thread has
        run the handlers of whatever this process was sent by now.
        """
        main = threading.main_thread()
        if threading.current_thread() is not main and main.ident is not None:
            with self._turn:
                self._turned.clear()
                signal.pthread_kill(main.ident, TURN)
                self._turned.wait(TOLD_SECONDS)
        return self.asked

    def install(self, consumer: Any) -> None:
        """Take SIGTERM and SIGINT over; to be called in the main thread of the main process, whose consumer it is."""
        self._consumer = consumer
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        signal.signal(TURN, lambda *_: self._turned.set())

    def protect_child(self) -> None:
        """Let a task of a prefork child go on when SIGTERM went to all; to be called when one begins there.

        Not when the child does: billiard installs its own handler after all that is called then. SIGINT it ignores.
        """
        theirs = signal.getsignal(signal.SIGTERM)
        if not callable(theirs) or theirs == self._on_child_signal:
            return
        self._end_child = theirs
        signal.signal(signal.SIGTERM, self._on_child_signal)

    def _on_child_signal(self, number: int, frame: FrameType | None) -> None:
        deadline = time.monotonic() + TOLD_SECONDS
        while not self.asked:
            if time.monotonic() > deadline:
                self._end_child(number, frame)  # this task alone is to end: it was revoked
            time.sleep(0.01)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if not self.asked:
            self._flag[0] = 1
            # Celery's main loop ends as soon as it runs again, which may take a second.
            celery_state.should_stop = os.EX_OK  # type: ignore[assignment]
            threading.Thread(target=self._end, name="planned-stop", daemon=True).start()
            last_resort = threading.Timer(LAST_SECONDS, self._exit)
            last_resort.daemon = True
            last_resort.start()

    def _end(self) -> None:
        begun = time.monotonic()
        logger.info("Stopping; what runs has %g s to end.", FINISH_SECONDS)
        # What is taken until then is among what runs, or goes back.
        self._consumer.has_stopped.wait(FINISH_SECONDS)
        while self._some_run(until=begun + FINISH_SECONDS):
            time.sleep(0.05)
        self._hand_back(until=begun + END_SECONDS)
        event_loop.stop_all()
        leave = time.monotonic() + LEAVE_SECONDS
        while time.monotonic() < begun + END_SECONDS and (self._others_run() or self._some_run(until=leave)):
            time.sleep(0.05)
        self._give_back_messages()
        # Only now: what a worker runs that is not there any more would count as lost.
        with suppress(Unavailable):
            self._leave()
        with suppress(Unavailable):
            step_logs.write_rest(seconds=0.5)
        time.sleep(0.5)  # Celery's own way out, where nothing holds it up any more
        logging.shutdown()
        self._exit()

    @staticmethod
    def _exit() -> None:
        for child in active_children():
            if child.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGKILL)
        # What multiprocessing would remove at an exit of its own.
        shutil.rmtree(get_temp_dir(), ignore_errors=True)
        os._exit(os.EX_OK)

    def _hand_back(self, *, until: float) -> None:
        while time.monotonic() < until:
            try:
                with pools.working(seconds=1) as connection:
                    outcome = states.stopped()
                    handed_back = transitions.hand_back(connection, worker_id=self.worker_id, outcome=outcome)
            except Unavailable as error:
                logger.warning("Jobs could not be handed back yet: %s", error)
                time.sleep(0.2)
            else:
                logger.info("%s jobs handed back.", sum(handed_back.values()))
                for queue, number in handed_back.items():
                    dispatch.wake(number, queue=queue)
                return

    def _give_back_messages(self) -> None:
        """What is not acknowledged goes back to the queue now; else Redis would hold it for two minutes."""
        time.sleep(2 * GATHER_SECONDS)  # What has just ended is being written.
        with suppress(Unavailable), database.transaction(seconds=1) as connection:
            if database.has_canvas(connection):
                for run in letting_go.hand_back(connection, self.worker_id):
                    judge.cancel(connection, run)
        for message in self._consumer.held():
            try:
                # Not the request's own: that leaves it to the main loop, which has ended.
                message.reject(requeue=True)
            except (KombuError, RedisError, OSError) as error:
                task_id = message.headers.get("id")
                with log_context.bound(task_id=task_id):
                    logger.warning("The message of %s could not be given back: %s", task_id, error)

    @staticmethod
    def _some_run(*, until: float) -> bool:
        return bool(requests.active() or crew.wake_ups()) and time.monotonic() < until

    @staticmethod
    def _others_run() -> bool:
        return any(not request.task.ignore_result for request in requests.active())
