"""Starts processes in order, keeps them running, and stops them in the opposite order, leaving none behind."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Protocol

from background.local.children import Child, Guard, LocalError, Program, passed_on, tail
from background.local.console import Console
from background.local.server import Server, open_log

STOP_SECONDS = 8.0
QUICK_SECONDS = 10.0
QUICK_DEATHS = 5
REMINDER_SECONDS = 20.0


class Stopped(Exception):
    """The user, or whoever started this, asked for the end."""


class Interrupts:
    """Counts requests to stop: Ctrl-C, SIGTERM, and SIGHUP where it is not ignored (`nohup`)."""

    def __init__(self) -> None:
        self.count = 0
        self._last = 0.0

    def install(self) -> None:
        """From now on those signals are counted and do nothing else."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        # Those who pass a Ctrl-C on make two out of one.
        if time.monotonic() - self._last > 0.5:
            self.count += 1
            self._last = time.monotonic()


@dataclass(kw_only=True)
class Service:
    """A program of ours: `ready` is asked with its process id; its output goes to `log`, or else to the console."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[int], bool] = lambda _pid: True
    log: Path | None = None
    cwd: Path = field(default_factory=Path.cwd)
    child: Child | None = None

    def start(self, console: Console, keep: Sequence[int]) -> None:
        """Starts it, with `env` on top of our environment and the descriptors in `keep` left open."""
        program = Program(argv=self.argv, env=passed_on(PYTHONUNBUFFERED="1", **self.env), cwd=self.cwd)
        if self.log is None:
            self.child = Child.start(program, output=subprocess.PIPE, keep=keep)
            console.follow(self.name, self.child)
        else:
            with open_log(self.log) as log:
                self.child = Child.start(program, output=log, keep=keep)

    def is_ready(self) -> bool:
        """Whether it does its work by now."""
        return self.child is not None and self.ready(self.child.pid)


class Unit(Protocol):
    """What is common to servers and services."""

    @property
    def name(self) -> str: ...
    @property
    def child(self) -> Child | None: ...
    @property
    def log(self) -> Path | None: ...
    def is_ready(self) -> bool: ...


@dataclass
class Record:
    """How a unit has fared: when it was started last, how often it died soon after, when to start it again."""

    started: float
    quick_deaths: int = 0
    again: float | None = None


def python_module(*words: str) -> list[str]:
    """The command line of `python -m …` with this Python."""
    return [sys.executable, "-m", *words]


def ending(code: int) -> str:
    """An exit code in words."""
    return f"ended with exit code {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"


class Supervisor:
    """Servers, then preparations and, at the same time, services, which take longer to begin: 1.5 s here.

    With `restart`, what dies after it was ready is started again; without, its death is an error. `keep` are
    descriptors that the services inherit. Nothing is started before `start`; whatever happens afterwards, `stop`
    must be called.
    """

    def __init__(
        self,
        *,
        servers: Sequence[Server],
        preparations: Sequence[Service],
        services: Sequence[Service],
        console: Console,
        interrupts: Interrupts,
        restart: bool = True,
        keep: Sequence[int] = (),
    ) -> None:
        self._servers = servers
        self._preparations = preparations
        self._services = services
        self._console = console
        self._interrupts = interrupts
        self._restart = restart
        self._keep = keep
        self._records: dict[str, Record] = {}
        self._guard: Guard | None = None

    def start(self, *, patience: float | None = None) -> None:
        """Starts everything and returns when all of it is ready, or raises `LocalError` after `patience` seconds.

        Raises `LocalError` also for what ends too early, and `Stopped` on request.
        """
        self._guard = Guard()
        for server in self._servers:
            self._console.say(f"Starting {server.name} on port {server.port}")
            self._start(server)
        self._wait(self._servers, patience)
        for unit in (*self._preparations, *self._services):
            self._start(unit)
        for preparation in self._preparations:
            self._finish(preparation)
        self._wait(self._services, patience)

    def watch(self) -> None:
        """Keeps everything running until asked to stop, which raises `Stopped`."""
        while True:
            self.pause(0.1)

    def pause(self, seconds: float) -> None:
        """Waits, after a look at everything: call it wherever there is something to wait for.

        Raises `Stopped` on request and `LocalError` for what died and is not, or no longer, started again.
        """
        self._look_for_requests()
        units: list[Server | Service] = [*self._servers, *self._services]
        for unit in units:
            self._look_at(unit)
        time.sleep(seconds)

    def stop(self) -> None:
        """Ends everything, in the opposite order; a further request to stop makes it hurry. Never raises."""
        requests = self._interrupts.count
        programs = [unit.child for unit in [*self._preparations, *self._services] if unit.child]
        running = [child for child in programs if child.poll() is None]
        for child in running:
            # The worker ends its pool by itself: a signal to that would lose the task under way.
            child.send(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while any(child.poll() is None for child in running) and time.monotonic() < deadline:
            if self._interrupts.count > requests:
                break
            time.sleep(0.02)
        for child in programs:
            self._end(child)
        for server in reversed(self._servers):
            server.stop()
            if server.child:
                self._end(server.child)
        if self._guard:
            self._guard.close()

    def _start(self, unit: Server | Service) -> None:
        self._look_for_requests()
        if isinstance(unit, Service):
            unit.start(self._console, self._keep)
        else:
            unit.start()
        if self._guard and unit.child:
            self._guard.add(unit.child)
        self._records.setdefault(unit.name, Record(0)).started = time.monotonic()

    def _end(self, child: Child) -> None:
        """Ends `child` and whatever it left of its group."""
        child.kill()
        if self._guard:
            self._guard.remove(child)

    def _wait(self, units: Sequence[Unit], patience: float | None) -> None:
        began = time.monotonic()
        reminder = began + REMINDER_SECONDS
        waiting = list(units)
        while waiting:
            self._look_for_requests()
            for unit in waiting:
                self._must_live(unit)
            waiting = [unit for unit in waiting if not unit.is_ready()]
            names = ", ".join(unit.name for unit in waiting)
            if waiting and patience is not None and time.monotonic() > began + patience:
                raise LocalError(f"Not ready after {patience:.0f} s: {names}{_log_of(waiting[0])}")
            if waiting and time.monotonic() > reminder:
                reminder += REMINDER_SECONDS
                self._console.say(f"Still waiting for: {names}")
            time.sleep(0.05)

    def _finish(self, preparation: Service) -> None:
        while preparation.child and preparation.child.poll() is None:
            self._look_for_requests()
            time.sleep(0.02)
        if preparation.child:
            self._end(preparation.child)
            if preparation.child.poll() != 0:
                self._must_live(preparation)

    def _must_live(self, unit: Unit) -> None:
        code = unit.child.poll() if unit.child else None
        if code is not None:
            raise LocalError(f"{unit.name} {ending(code)} at its start.{_log_of(unit)}")

    def _look_for_requests(self) -> None:
        if self._interrupts.count or self._console.broken:
            raise Stopped

    def _look_at(self, unit: Server | Service) -> None:
        code = unit.child.poll() if unit.child else None
        if code is None or unit.child is None:
            return
        record = self._records[unit.name]
        if record.again is None:
            self._end(unit.child)
            self._note_death(unit, record, code)
        elif time.monotonic() >= record.again:
            record.again = None
            self._start(unit)

    def _note_death(self, unit: Unit, record: Record, code: int) -> None:
        if not self._restart:
            raise LocalError(f"{unit.name} {ending(code)}.{_log_of(unit)}")
        quick = time.monotonic() - record.started < QUICK_SECONDS
        record.quick_deaths = record.quick_deaths + 1 if quick else 1
        if record.quick_deaths >= QUICK_DEATHS:
            raise LocalError(f"{unit.name} {ending(code)}, the {QUICK_DEATHS}th time in a row.{_log_of(unit)}")
        delay = 0.5 * 2 ** (record.quick_deaths - 1)
        record.again = time.monotonic() + delay
        self._console.say(f"{unit.name} {ending(code)}; starting it again in {delay:g} s.")


def _log_of(unit: Unit) -> str:
    return tail(unit.log) if unit.log else ""
