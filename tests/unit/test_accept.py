"""Who gets the page at `/`, and who the sign of life."""

import pytest
from starlette.datastructures import Headers

from background.http.accept import prefers_html

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    "accept",
    [CHROME, FIREFOX, "text/html", "TEXT/HTML; Q=0.9, application/json;q=0.5", "text/*", "*/*;q=0.1, text/html;q=0.2",
     "text/html, application/json;q=0"],
)  # fmt: skip
def test_a_browser_prefers_html(accept: str) -> None:
    assert prefers_html(Headers({"accept": accept}))


@pytest.mark.parametrize(
    "accept",
    ["*/*", "", "application/json", "application/json, text/html", "application/json, text/html;q=0.9", "image/*",
     "text/html;q=0", "text/html;q=0.5, */*", "text/html;q=x", "text/html;q=2", ";;,,", "application/*, text/*;q=0.9"],
)  # fmt: skip
def test_a_program_does_not(accept: str) -> None:
    assert not prefers_html(Headers({"accept": accept}))


def test_without_the_header_nothing_is_preferred() -> None:
    assert not prefers_html(Headers({}))


def test_several_headers_are_one() -> None:
    headers = Headers(raw=[(b"accept", b"application/json;q=0.5"), (b"accept", b"text/html")])
    assert prefers_html(headers)
