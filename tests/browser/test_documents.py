"""Documents are dropped, analyzed, and their reports read; what cannot be read says why."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

import httpx2 as httpx
import pytest
from playwright.sync_api import BrowserContext, FilePayload, Locator, Page, expect

from background.documents.store import SAMPLES
from tests.browser.canvases import expect_ended, node
from tests.browser.watch import Watch
from tests.support import Process

OLD_DOC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

PDF = (SAMPLES / "idempotency.pdf").read_bytes()


@pytest.fixture(autouse=True)
def no_documents(client: httpx.Client) -> Iterator[None]:
    """Each test begins without a document; afterwards the samples are there again, which other tests count on."""
    empty(client)
    yield
    empty(client)
    for sample in SAMPLES.iterdir():
        client.post("/documents", files={"file": (sample.name, sample.read_bytes())}).raise_for_status()


def empty(client: httpx.Client) -> None:
    """Delete every document."""
    for document in client.get("/documents").json():
        client.delete(f"/documents/{quote(document['name'])}").raise_for_status()


def row(page: Page, name: str) -> Locator:
    """The row of a document."""
    return page.locator(f'tr[data-document="{name}"]')


def drop(page: Page, *files: FilePayload) -> None:
    """Choose these files, as a drop does."""
    page.locator('input[type="file"]').set_input_files(list(files))


def file(name: str, content: bytes) -> FilePayload:
    """A file to be dropped."""
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def test_a_pdf_is_dropped_analyzed_and_its_report_read(page: Page, client: httpx.Client, worker: Process) -> None:
    page.goto("/ui/#/documents")
    expect(page.locator("[data-empty]")).to_contain_text("No document yet")
    drop(page, file("paper.pdf", PDF))
    expect(row(page, "paper.pdf")).to_contain_text("PDF")
    row(page, "paper.pdf").locator('[data-action="analyze-one"]').click()
    expect_ended(page, "SUCCESS")
    node(page, "analyze").click()
    expect(page.locator("[data-inspector]")).to_contain_text('"language": "en"')
    node(page, "report").click()
    page.locator('[data-inspector] [data-action="report"]').click()
    report = page.locator('[data-dialog="report"]')
    expect(report.get_by_role("cell", name="paper.pdf")).to_be_visible()
    with page.expect_download() as downloading:
        report.locator('[data-action="download"]').click()
    assert "paper.pdf" in downloading.value.path().read_text()


def test_a_report_on_all_is_a_chord(page: Page, client: httpx.Client, worker: Process) -> None:
    page.goto("/ui/#/documents")
    drop(page, file("guessed.txt", b"\x93quoted\x94 \x97 fine"))
    expect(row(page, "guessed.txt")).to_contain_text("read as cp1252 (uncertain)")
    row(page, "guessed.txt").locator('[data-action="delete"]').click()
    page.locator('[data-action="confirm"]').click()
    expect(row(page, "guessed.txt")).to_have_count(0)
    drop(page, file("one.txt", b"One about queues."), file("둘.md", "# 둘\n\n작업과 큐.".encode()))
    expect(row(page, "둘.md")).to_be_visible()
    page.locator('[data-action="report"]').click()
    expect_ended(page, "SUCCESS")
    expect(page.locator(".stem")).to_have_attribute("data-state", "released")
    expect(page.locator(".node")).to_have_count(5)


def test_what_cannot_be_read_says_why(page: Page, watch: Watch, client: httpx.Client) -> None:
    watch.allow(r"status of 4(09|15|22)")
    page.goto("/ui/#/documents")
    drop(page, file("a.txt", b"Fine."), file("a.exe", b"MZ"), file("empty.pdf", b""))
    expect(page.locator('[data-upload="a.exe"]')).to_contain_text("can be read here")
    expect(page.locator('[data-upload="empty.pdf"]')).to_be_visible()
    expect(row(page, "a.txt")).to_be_visible()
    drop(page, file("a.txt", b"Again."))
    expect(page.locator('[data-upload="a.txt"]')).to_contain_text("already")
    row(page, "a.txt").locator('[data-action="delete"]').click()
    page.locator('[data-action="confirm"]').click()
    expect(row(page, "a.txt")).to_have_count(0)
    assert client.get("/documents").json() == []


def test_what_cannot_be_read_says_why_in_korean(new_context: Callable[..., BrowserContext], watch: Watch) -> None:
    watch.allow(r"status of 4(15|22)")
    page = new_context(locale="ko-KR").new_page()
    page.goto("/ui/#/documents")
    wrong = {"a.exe": b"MZ", "empty.txt": b"", "broken.pdf": b"%PDF-1.4", "broken.docx": b"PK", "old.docx": OLD_DOC}
    drop(page, *(file(name, content) for name, content in wrong.items()))
    for name in wrong:
        refused = page.locator(f'[data-upload="{name}"]')
        expect(refused).to_contain_text(re.compile("[가-힣]"))
        expect(refused.locator("[lang=en]")).to_have_count(0)


def test_files_that_are_dragged_in_are_stored(page: Page, client: httpx.Client) -> None:
    page.goto("/ui/#/documents")
    expect(page.locator("[data-empty]")).to_be_visible()
    dragged = page.evaluate_handle("""() => {
      const data = new DataTransfer();
      data.items.add(new File(["Dragged in."], "dragged.txt"));
      return data;
    }""")
    page.dispatch_event("[data-drop]", "drop", {"dataTransfer": dragged})
    expect(row(page, "dragged.txt")).to_be_visible()
    kept = row(page, "dragged.txt").locator('[data-action="delete"]')
    kept.focus()
    for name in ("a.txt", "z.txt"):  # elsewhere
        client.post("/documents", files={"file": (name, b"Before it, and behind it.")}).raise_for_status()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(row(page, "z.txt")).to_be_visible()
    expect(kept).to_be_focused()
