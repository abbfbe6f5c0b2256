"""The terminal that several processes share: whole lines, each under its program's name."""

import contextlib
import os
import queue
import sys
import threading
from typing import IO

from rich.console import Console as Terminal

from background.base.escapes import escaped
from background.local.children import Child

COLOURS = (36, 33, 35, 32, 34, 31)
WIDTH = 8
LINE_LIMIT = 64 * 1024
CONTINUED = "    "
"""Stands before the rest of a line that was longer: no part of a line looks like one."""
BACKLOG = 10_000


class Console:
    """Writes lines from many threads, one after the other, and never makes the writer wait.

    A reader that stopped reading, or went away, must not keep the supervisor from stopping what it started: lines
    wait in a queue, and are dropped when that is full.
    """

    def __init__(self) -> None:
        terminal = Terminal(file=sys.stdout)
        self._coloured = terminal.is_terminal and not terminal.no_color
        self._names: list[str] = []
        self._lines: queue.Queue[bytes | threading.Event] = queue.Queue(BACKLOG)
        self.broken = False
        sys.stdout.flush()
        threading.Thread(target=self._write, args=(sys.stdout.fileno(),), daemon=True).start()

    def say(self, text: str, *, name: str = "") -> None:
        """Puts a line into the queue, under `name` where one is given."""
        line = f"{self._prefix(name)}{text}" if name else text
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(line.encode(errors="replace") + b"\n")

    def follow(self, name: str, child: Child) -> threading.Thread:
        """Shows what `child` writes, from now to its end; returns the thread that does so."""
        if child.output is None:
            raise ValueError(f"{name} was not started with a pipe")
        thread = threading.Thread(target=self._follow, args=(name, child.output), daemon=True)
        thread.start()
        return thread

    def flush(self, timeout: float = 2) -> None:
        """Waits until all lines so far are out, at most `timeout` seconds."""
        written = threading.Event()
        with contextlib.suppress(queue.Full):
            self._lines.put(written, timeout=timeout)
            written.wait(timeout)

    def _follow(self, name: str, output: IO[bytes]) -> None:
        before = ""
        with output:
            while line := output.readline(LINE_LIMIT):
                text = line.decode(errors="backslashreplace").rstrip("\r\n").expandtabs()
                self.say(before + escaped(text), name=name)
                before = "" if line.endswith(b"\n") else CONTINUED

    def _prefix(self, name: str) -> str:
        if name not in self._names:
            self._names.append(name)
        text = f"{name:{WIDTH}}|"
        if self._coloured:
            text = f"\x1b[{COLOURS[self._names.index(name) % len(COLOURS)]}m{text}\x1b[0m"
        return f"{text} "

    def _write(self, descriptor: int) -> None:
        while True:
            line = self._lines.get()
            if isinstance(line, threading.Event):
                line.set()
                continue
            try:
                while line and not self.broken:
                    line = line[os.write(descriptor, line) :]
            except OSError:
                self.broken = True
