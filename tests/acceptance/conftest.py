"""Servers that directed faults may break: not those of the other tests."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.chaos.stack import LEASE_SECONDS, Stack


@pytest.fixture(scope="module")
def servers() -> Iterator[Stack]:
    """One set of servers for all scenarios of a module."""
    with (
        tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as scratch,
        Stack(Path(scratch)) as stack,
    ):
        yield stack


@pytest.fixture
def stack(servers: Stack) -> Iterator[Stack]:
    """The servers, without any process or job."""
    yield servers
    servers.reset()
    servers.lease_seconds = LEASE_SECONDS
