"""A short run of what `run.py fuzz` does at length."""

from collections.abc import Iterator

import httpx2 as httpx
import pytest

from tests.acceptance.fuzz import KEYS, READ, fuzz
from tests.support import running_api


@pytest.fixture(scope="module")
def guarded(postgres: object, valkey: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An API with keys."""
    with running_api(tmp_path_factory.mktemp("fuzz") / "api.log", env={"API_KEYS": KEYS}) as client:
        yield client


def test_generated_requests_with_a_key_that_reads_find_nothing(guarded: httpx.Client) -> None:
    url = str(guarded.base_url).rstrip("/")
    assert fuzz(url, READ, examples=5, seed=20261126, phases="examples,fuzzing") == 0
