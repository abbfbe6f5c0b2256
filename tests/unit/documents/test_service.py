"""The steps that tasks and jobs share, chained as they chain them, and as they should not be."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from background.base.errors import Invalid, NotFound
from background.documents.service import analyze_document, extract_document, report_documents
from background.documents.store import DocumentStore

GUESSED = b"\x93quoted\x94 \x97 fine"


@pytest.fixture
def store(tmp_path: Path) -> DocumentStore:
    return DocumentStore(tmp_path / "data", max_bytes=100_000)


def test_every_sample_goes_from_file_to_report(store: DocumentStore) -> None:
    analyses = []
    for document in store.list():
        extracted = extract_document(store, document.name)
        assert set(extracted) == {
            *("document", "type", "title", "characters", "pages", "unread_pages", "encoding", "encoding_sure", "text")
        }
        assert len(json.dumps(extracted)) < 1000
        analyses.append(analyze_document(store, extracted))
    assert {each["document"]: each["language"] for each in analyses} == {
        "canvas-glossary.html": "en",
        "idempotency.pdf": "en",
        "leases.ko.docx": "ko",
        "retries.ko.md": "ko",
        "why-queues.txt": "en",
    }
    assert all(each["words"] > 200 and len(each["keywords"]) == 10 and each["title"] for each in analyses)
    report = report_documents(store, analyses, report_id="all")
    assert report["documents"] == [each["document"] for each in analyses]
    assert json.loads(json.dumps(report)) == report
    markdown = (store.root / report["markdown"]).read_text()
    assert all(name in markdown for name in report["documents"])
    assert (store.root / report["json"]).is_file()


def test_one_analysis_is_a_report_too(store: DocumentStore) -> None:
    analysis = analyze_document(store, extract_document(store, "why-queues.txt"))
    report = report_documents(store, analysis, report_id="one")
    assert report == report_documents(store, [analysis], report_id="one")
    assert report["totals"]["words"] == analysis["words"]


def test_a_report_says_where_the_encoding_was_guessed(store: DocumentStore) -> None:
    store.add("guessed.txt", io.BytesIO(GUESSED))
    (guessed, sure) = (
        analyze_document(store, extract_document(store, name)) for name in ("guessed.txt", "why-queues.txt")
    )
    assert (guessed["encoding"], "encoding" in sure) == ("cp1252", False)
    report = report_documents(store, [guessed, sure], report_id="guessed")
    markdown = (store.root / report["markdown"]).read_text()
    assert markdown.count("Read as cp1252, which is uncertain") == 1
    assert "| guessed.txt | - | undetermined |" in markdown
    assert "languages: undetermined (1), en (1)" in markdown


def test_a_lost_text_is_made_again(store: DocumentStore) -> None:
    extracted = extract_document(store, "why-queues.txt")
    expected = analyze_document(store, extracted)
    for text in store.root.rglob("*.text"):
        text.unlink()
    assert analyze_document(store, extracted) == expected


def test_a_text_whose_document_is_gone_or_changed_is_not_found(store: DocumentStore) -> None:
    extracted = extract_document(store, "why-queues.txt")
    store.delete("why-queues.txt")
    with pytest.raises(NotFound):
        analyze_document(store, extracted)
    store.add("why-queues.txt", io.BytesIO(b"something else"))
    with pytest.raises(NotFound, match="changed"):
        analyze_document(store, extracted)


@pytest.mark.parametrize("name", [5, None, ["a"], {"document": "why-queues.txt"}])
def test_extract_needs_a_name(store: DocumentStore, name: Any) -> None:
    with pytest.raises(Invalid):
        extract_document(store, name)


@pytest.mark.parametrize("name", ["absent.txt", "../../etc/passwd", "", "\ud800"])
def test_extract_needs_an_existing_name(store: DocumentStore, name: str) -> None:
    with pytest.raises(NotFound) as raised:
        extract_document(store, name)
    str(raised.value).encode()  # can be sent


@pytest.mark.parametrize("value", [5, None, "text", [], {}, {"document": "a"}, [{"document": "why-queues.txt"}]])
def test_analyze_needs_what_extract_returns(store: DocumentStore, value: Any) -> None:
    with pytest.raises(Invalid, match="analyze needs what extract returns"):
        analyze_document(store, value)


@pytest.mark.parametrize("value", [5, None, "text", {}, [5], [[]], [{"document": "a"}]])
def test_report_needs_what_analyze_returns(store: DocumentStore, value: Any) -> None:
    with pytest.raises(Invalid, match="report needs what analyze returns"):
        report_documents(store, value, report_id="a")


@pytest.mark.parametrize("key", ["../../secret", "/etc/passwd", "", "0" * 64])
def test_a_key_that_is_not_of_the_document_reads_nothing(store: DocumentStore, key: str) -> None:
    with pytest.raises(NotFound, match="changed"):
        analyze_document(store, {**extract_document(store, "why-queues.txt"), "text": key})


def test_what_the_release_before_extracted_is_analyzed(store: DocumentStore) -> None:
    key = "98edad90302bdcbcbf003369e13cbefa6ce95b30a337c53d6389cfe5f565b36a"
    old = {
        "document": "why-queues.txt",
        "type": "text/plain",
        "title": None,
        "characters": 2324,
        "pages": None,
        "text": key,
    }
    assert analyze_document(store, old)["words"] == 447
