"""Reading in a process of its own."""

import contextlib
import time
from pathlib import Path

import pytest

from background.base.errors import Invalid, Unavailable
from background.documents import sandbox
from background.documents.naming import DOCX, HTML, PDF
from background.documents.sandbox import extract_apart, read_facts, read_text
from tests.unit.documents import makers


def test_it_reads_what_extract_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("content")
    path.write_bytes(makers.word("작업", title="제목"))
    extract_apart(path, DOCX, tmp_path / "text", places=tmp_path / "readers")
    text = read_text(tmp_path / "text")
    assert text is not None
    assert text.facts == read_facts(tmp_path / "text")
    assert (text.facts.title, text.text.partition("\n")[0]) == ("제목", "작업")


def test_it_says_what_extract_says(tmp_path: Path) -> None:
    path = tmp_path / "content"
    path.write_bytes(makers.encrypted_pdf())
    with pytest.raises(Invalid, match="The PDF is encrypted") as raised:
        extract_apart(path, PDF, tmp_path / "text", places=tmp_path / "readers")
    assert makers.refused_field(raised.value) == ("body", "file")
    assert (raised.value.code, raised.value.errors[0].type) == ("document_encrypted", "document_encrypted")


def test_nested_tags_cannot_keep_a_process_busy(tmp_path: Path) -> None:
    path = tmp_path / "content"
    path.write_bytes(b"<b>" * 300_000 + b"</i>" * 300_000)  # each end looks for its begin among all that are open
    started = time.monotonic()
    with pytest.raises(Invalid, match="too much time"):
        extract_apart(path, HTML, tmp_path / "text", places=tmp_path / "readers", cpu_seconds=2)
    assert time.monotonic() - started < 30


def test_a_reader_that_cannot_start_is_not_the_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "content"
    path.write_bytes(b"<p>x")
    monkeypatch.setattr(sandbox, "_PROJECT", tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with pytest.raises(RuntimeError, match="reading process failed"):
        extract_apart(path, HTML, tmp_path / "text", places=tmp_path / "readers")


def test_no_more_than_three_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, places = tmp_path / "content", tmp_path / "readers"
    path.write_bytes(b"<p>x")
    with contextlib.ExitStack() as others:
        for _ in range(3):
            others.enter_context(sandbox._place(places))
        monkeypatch.setattr(sandbox, "WALL_SECONDS", 0.1)
        with pytest.raises(Unavailable):
            extract_apart(path, HTML, tmp_path / "text", places=places)
        monkeypatch.undo()
    extract_apart(path, HTML, tmp_path / "text", places=places)
    assert (tmp_path / "text").read_text().endswith("\nx")
