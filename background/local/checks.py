"""Questions to a machine and its processes: is a port free, does a server answer, does a worker."""

import errno
import http.client
import socket
from collections.abc import Callable

from celery import Celery
from kombu.exceptions import OperationalError

from background.local.children import LocalError, descendants

TAKEN = {errno.EADDRINUSE, errno.EACCES}
WILDCARDS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now; true as well where `host` is none of this machine's."""
    try:
        addresses = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror:
        return True
    return all(_can_listen(family, address) for family, _, _, _, address in addresses)


def _can_listen(family: int, address: tuple[str | int, ...] | tuple[int, bytes]) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            candidate.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            candidate.bind(address)
        except OSError as error:
            return error.errno not in TAKEN
    return True


def free_port(host: str, wanted: int) -> int:
    """`wanted` where it is free on `host`, or else any port that is."""
    if is_free(host, wanted):
        return wanted
    with socket.create_server((host, 0)) as candidate:
        return int(candidate.getsockname()[1])


def require_free(host: str, port: int, *, what: str, variable: str) -> None:
    """Raises `LocalError` with the line that names the port and the variable that moves it."""
    if not is_free(host, port):
        raise LocalError(f"Port {port}, where {what} should listen, is taken: set {variable} to a free one.")


def reachable(host: str) -> str:
    """The address under which a server that listens on `host` is reached from here."""
    return WILDCARDS.get(host, host)


def answers(host: str, port: int, path: str, *, below: int = 201) -> Callable[[int], bool]:
    """A check that is true once `GET path` gives 200, or any status `below`; it does not care for the process id."""

    def check(_pid: int) -> bool:
        connection = http.client.HTTPConnection(reachable(host), port, timeout=2)
        try:
            connection.request("GET", path)
            return http.client.OK <= connection.getresponse().status < below
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return check


def works(broker_url: str) -> Callable[[int], bool]:
    """A check that is true once the Celery worker with that process id answers through the broker."""
    app = Celery(broker=broker_url, set_as_current=False)
    app.conf.update(broker_connection_timeout=1, broker_connection_retry=False)

    def check(pid: int) -> bool:
        try:
            replies = app.control.inspect(timeout=0.5).stats() or {}
        except (OperationalError, OSError):
            return False
        return bool({reply["pid"] for reply in replies.values()} & {pid, *descendants(pid)})

    return check
