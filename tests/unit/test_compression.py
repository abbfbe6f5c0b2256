"""Which answers are compressed, and for whom."""

import pytest
from starlette.datastructures import Headers

from background.http.compression import takes_gzip


@pytest.mark.parametrize("value", ["gzip", "deflate, gzip", "br;q=1.0, gzip;q=0.8", "GZIP", "x-gzip", "gzip ; q=0.001"])
def test_who_takes_gzip(value: str) -> None:
    assert takes_gzip(Headers({"Accept-Encoding": value}))


@pytest.mark.parametrize("value", ["", "identity", "br", "gzip;q=0", "gzip; q=0.000, br", "gzipped", "deflate;q=0.5"])
def test_who_does_not(value: str) -> None:
    assert not takes_gzip(Headers({"Accept-Encoding": value}))
    assert not takes_gzip(Headers({}))
