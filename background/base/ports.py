"""Ports of this machine on which nobody listens."""

import errno
import random
import socket
from collections.abc import Iterator, Sequence

_TAKEN = {errno.EADDRINUSE, errno.EACCES}
OF_SERVERS = range(10_240, 32_768)
"""Below those that a system gives to connections (from 32,768 on under Linux, from 49,152 elsewhere): such a port could
be a connection's before its server has begun to listen, or while that is started again."""


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now; true as well where `host` is none of this machine's."""
    try:
        addresses = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror:
        return True
    return all(_can_listen(family, address) for family, _, _, _, address in addresses)


def free_ports(host: str = "127.0.0.1", among: Sequence[int] = OF_SERVERS) -> Iterator[int]:
    """Ports that are free on `host` when each is asked for, in any order; none comes twice."""
    return (port for port in random.sample(among, len(among)) if is_free(host, port))


def _can_listen(family: int, address: tuple[str | int, ...] | tuple[int, bytes]) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            candidate.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            candidate.bind(address)
        except OSError as error:
            return error.errno not in _TAKEN
    return True
