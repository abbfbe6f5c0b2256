"""Reading in a process of its own."""

import time
from pathlib import Path

import pytest

from background.documents import guard
from background.documents.guard import extract_apart
from background.documents.naming import DOCX, HTML, PDF
from background.errors import Invalid
from tests.unit.documents import makers


def test_it_reads_what_extract_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("content")
    path.write_bytes(makers.word("작업", title="제목"))
    text = extract_apart(path, DOCX)
    assert (text.title, text.text.partition("\n")[0]) == ("제목", "작업")


def test_it_says_what_extract_says(tmp_path: Path) -> None:
    path = tmp_path / "content"
    path.write_bytes(makers.encrypted_pdf("secret"))
    with pytest.raises(Invalid, match="The PDF is encrypted") as raised:
        extract_apart(path, PDF)
    assert makers.refused_field(raised.value) == ("body", "file")


def test_nested_tags_cannot_keep_a_process_busy(tmp_path: Path) -> None:
    path = tmp_path / "content"
    path.write_bytes(b"<div>" * 1_000_000)
    started = time.monotonic()
    with pytest.raises(Invalid, match="too much time"):
        extract_apart(path, HTML, cpu_seconds=2)
    assert time.monotonic() - started < 30


def test_a_reader_that_cannot_start_is_not_the_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "content"
    path.write_bytes(b"<p>x")
    monkeypatch.setattr(guard, "_PROJECT", tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with pytest.raises(RuntimeError, match="reading process failed"):
        extract_apart(path, HTML)
