"""What may stand where a host is named, judged without asking the network."""

import re
import socket
from ipaddress import IPv6Address
from typing import Final

_NAME: Final = re.compile(r"(?=.{1,253}\Z)[\w-]{1,63}(\.[\w-]{1,63})*\.?")

_WILDCARDS: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound


def reachable(host: str) -> str:
    """The address under which a server that listens on `host` is reached from this machine."""
    return _WILDCARDS.get(host, host)


def http_url(host: str, port: int) -> str:
    """The same of a server that speaks HTTP, as a URL."""
    address = reachable(host)
    return f"http://{f'[{address}]' if ':' in address else address}:{port}"


def host(value: str) -> str:
    """The name or address of a host, an IPv6 address without its brackets.

    Raises `ValueError`, whose text does not repeat the value, for what can be neither.
    """
    bare = value.removeprefix("[").removesuffix("]")
    try:
        if ":" in bare:
            IPv6Address(bare)
        elif re.fullmatch(r"[\d.]+", bare, re.ASCII):
            socket.inet_aton(bare)
        elif not _NAME.fullmatch(bare):
            raise ValueError
    except (OSError, ValueError):
        raise ValueError("must be the name or address of a host") from None
    return bare
