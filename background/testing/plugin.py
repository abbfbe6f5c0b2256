"""What pytest is told of this package. It imports nothing before a fixture is asked for."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from background.testing.run import Run
    from background.testing.stack import Stack

APP = "playground_app"
PREFIX = "playground_prefix"


def pytest_addoption(parser: pytest.Parser) -> None:
    """What `playground_stack` serves is said in pytest's configuration."""
    parser.addini(APP, "the application that playground_stack serves, such as shop.app:app; ours without it")
    parser.addini(PREFIX, "below which path of that application the routes of jobs are", default="")


@pytest.fixture
def run_pipeline() -> "Callable[..., Run]":
    """`run_pipeline(name, params)`: a job to its end in this process, without any server (`testing.alone`)."""
    from background.testing.alone import run_pipeline

    return run_pipeline


@pytest.fixture(scope="session")
def playground_stack(pytestconfig: pytest.Config) -> "Iterator[Stack]":
    """The whole system on free ports, once for all tests: `.http`, `.client`, `.env` (`testing.stack`)."""
    from background.settings import get_settings
    from background.testing.stack import running

    app, prefix = pytestconfig.getini(APP) or None, pytestconfig.getini(PREFIX)
    with running(app=app, prefix=prefix, pipelines=get_settings().pipelines) as stack:
        yield stack
