"""The OpenAPI document tells the truth: generated requests meet only answers that it names."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import httpx2 as httpx
import pytest
import redis
import schemathesis
from hypothesis import given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import text

from background.http.problems import Problem
from background.settings import get_settings
from main import app
from tests.support import transaction

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


OPERATIONS = [(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods]


@cache
def schema() -> schemathesis.schemas.BaseSchema:
    """The document, read when it is wanted: each process that runs tests collects all of them."""
    return schemathesis.openapi.from_dict(app.openapi())


@pytest.fixture(scope="module")
def base_url(client: httpx.Client) -> Iterator[str]:
    """Where the real API listens. What was submitted is thrown away: hours of work, for the workers of later tests."""
    yield str(client.base_url)
    with transaction() as connection:
        connection.execute(text("TRUNCATE jobs, runs CASCADE"))
    with redis.Redis.from_url(get_settings().broker_url) as broker:
        broker.flushall()


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_in_the_document(method: str, path: str, base_url: str) -> None:
    # A stream has no end: it would be read until the first comment after ten seconds.
    seconds = 2 if path.endswith("/events") else 10

    @given(case=schema()[path][method].as_strategy())
    @settings(max_examples=25)
    def ask(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(base_url=base_url, checks=list(CHECKS), timeout=seconds)

    ask()


def test_every_route_names_its_problems() -> None:
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            problems = {
                status: answer
                for status, answer in operation["responses"].items()
                if status >= "400" and path != "/ready"
            }
            for status, answer in problems.items():
                assert list(answer["content"]) == ["application/problem+json"], (method, path, status)
            if operation.get("requestBody") or operation.get("parameters"):
                assert "422" in problems, (method, path)


def test_the_schema_of_a_problem_is_there() -> None:
    assert set(app.openapi()["components"]["schemas"]["Problem"]["properties"]) == set(Problem.model_fields)
