"""Whatever the bytes, reading ends in a text that can be stored, or in `Invalid`."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from background.base.errors import Invalid
from background.documents.analysis import analyze
from background.documents.extraction.extract import extract
from background.documents.naming import DOCX, HTML, MARKDOWN, PDF, PLAIN
from background.documents.report import escape
from background.documents.store import SAMPLES
from tests.unit.documents.makers import refused_field

TYPES = {
    PLAIN: "why-queues.txt",
    MARKDOWN: "retries.ko.md",
    HTML: "canvas-glossary.html",
    PDF: "idempotency.pdf",
    DOCX: "leases.ko.docx",
}
MARKUP = st.text(alphabet="ab *_`[]()!<>/\\|#-~&;:\n\t=\"'한", max_size=200)


def read(content: bytes, media_type: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "content"
        path.write_bytes(content)
        try:
            result = extract(path, media_type)
        except Invalid as error:
            assert refused_field(error) == ("body", "file")  # noqa: PT017 - a text is as good an end
            return
    assert result.text
    assert "\0" not in result.text + (result.facts.title or "")
    analyze(result.text, title=result.facts.title).model_dump_json().encode()


@pytest.mark.parametrize("media_type", TYPES)
@settings(max_examples=150)
@given(content=st.binary(max_size=400))
def test_any_bytes(media_type: str, content: bytes) -> None:
    read(content, media_type)


@pytest.mark.parametrize("media_type", [MARKDOWN, HTML])
@settings(max_examples=200)
@given(source=MARKUP)
def test_any_markup(media_type: str, source: str) -> None:
    read(source.encode(), media_type)


@pytest.mark.parametrize("media_type", [PDF, DOCX, HTML])
@settings(max_examples=60)
@given(data=st.data())
def test_damaged_samples(media_type: str, data: st.DataObject) -> None:
    content = bytearray((SAMPLES / TYPES[media_type]).read_bytes())
    place = st.integers(0, len(content) - 1)
    for at, byte in data.draw(st.lists(st.tuples(place, st.integers(0, 255)), max_size=20)):
        content[at] = byte
    read(bytes(content[: data.draw(place) if data.draw(st.booleans()) else None]), media_type)


@settings(max_examples=300)
@given(text=st.text(alphabet=st.characters()), title=st.none() | st.text())
def test_any_text_is_analysed(text: str, title: str | None) -> None:
    analysis = analyze(text, title=title)
    assert analysis.characters == len(text)
    assert analysis.sentences >= analysis.paragraphs
    assert len(analysis.keywords) <= 10


@settings(max_examples=200)
@given(text=st.text())
def test_any_text_is_escaped_on_one_line(text: str) -> None:
    escaped = escape(text)
    assert len(escaped.splitlines()) <= 1
    assert "|" not in escaped.replace("\\|", "")
