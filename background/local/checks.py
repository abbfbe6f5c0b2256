"""Questions to a machine and its processes: is a port free, does a server answer, does a worker."""

import http.client
from collections.abc import Callable

from celery import Celery
from kombu.exceptions import OperationalError

from background.base.hosts import reachable
from background.base.ports import free_ports, is_free
from background.local.children import LocalError, descendants


def free_port(host: str, wanted: int) -> int:
    """`wanted` where it is free on `host`, or else any port that is."""
    return wanted if is_free(host, wanted) else next(free_ports(host))


def require_free(host: str, port: int, *, what: str, variable: str) -> None:
    """Raises `LocalError` with the line that names the port and the variable that moves it."""
    if not is_free(host, port):
        raise LocalError(f"Port {port}, where {what} should listen, is taken: set {variable} to a free one.")


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
