"""Whose request it is, for everything that is counted for each client."""

from starlette.types import Scope

from background.base import log_context


def client_of(scope: Scope) -> str:
    """The name of its key, or without keys the address."""
    actor = log_context.actor()
    client = scope.get("client")
    return f"key {actor}" if actor else f"address {client[0] if client else ''}"
