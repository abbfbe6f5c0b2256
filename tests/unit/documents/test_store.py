"""Documents on disk: all or nothing, whoever else is at it."""

import io
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from background.base.errors import Conflict, Invalid, NotFound, PlaygroundError, TooLarge, UnsupportedType
from background.documents import store as store_module
from background.documents.naming import DOCX, HTML, MARKDOWN, PDF, PLAIN
from background.documents.store import SAMPLES, DocumentStore
from tests.unit.documents import makers
from tests.unit.documents.test_naming import HOSTILE

READERS = {"root/readers", "root/readers/0"}  # folders
SAMPLE_NAMES = ["canvas-glossary.html", "idempotency.pdf", "leases.ko.docx", "retries.ko.md", "why-queues.txt"]


@pytest.fixture
def store(tmp_path: Path) -> DocumentStore:
    (tmp_path / "root" / "documents").mkdir(parents=True)
    return DocumentStore(tmp_path / "root", max_bytes=100_000)


def names(store: DocumentStore) -> list[str]:
    return [document.name for document in store.list()]


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def in_threads(count: int, work: Callable[[int], None]) -> list[PlaygroundError]:
    """Run `work` at once in all threads; returns what they raised."""
    barrier = threading.Barrier(count)
    errors: list[PlaygroundError] = []

    def run(number: int) -> None:
        barrier.wait(10)
        try:
            work(number)
        except PlaygroundError as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return errors


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("a.txt", b"Hello queue.", PLAIN),
        ("a.md", b"# Hello", MARKDOWN),
        ("a.htm", b"<p>Hello", HTML),
        ("a.PDF", makers.pdf(), PDF),
        ("a.docx", makers.word("Hello"), DOCX),
    ],
)
def test_what_was_added_is_there(store: DocumentStore, name: str, content: bytes, media_type: str) -> None:
    added = store.add(name, io.BytesIO(content))
    assert (added.name, added.size, added.type) == (name, len(content), media_type)
    assert store.list() == [added]
    assert store.get(name) == added
    assert store.path_of(added).read_bytes() == content


def test_documents_are_sorted_by_name(store: DocumentStore) -> None:
    for name in ("b.txt", "a.txt", "한.txt", "B.txt"):
        store.add(name, io.BytesIO(b"text"))
    assert names(store) == ["B.txt", "a.txt", "b.txt", "한.txt"]


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("empty.txt", b"", Invalid),
        ("blank.txt", b" \n ", Invalid),
        ("binary.txt", b"a\0b", Invalid),
        ("broken.pdf", b"%PDF-1.4 nothing", Invalid),
        ("cut.pdf", makers.pdf()[:200], Invalid),
        ("locked.pdf", makers.encrypted_pdf(), Invalid),
        ("zip.docx", makers.other_zip(), Invalid),
        ("large.txt", b"x" * 100_001, TooLarge),
        ("program.exe", b"MZ", UnsupportedType),
        ("none", b"text", UnsupportedType),
    ],
)
def test_what_cannot_be_read_leaves_nothing(
    store: DocumentStore, tmp_path: Path, name: str, content: bytes, error: type[PlaygroundError]
) -> None:
    with pytest.raises(error) as raised:
        store.add(name, io.BytesIO(content))
    assert str(raised.value).endswith(".")
    assert everything(tmp_path) <= {"root", "root/documents", "root/incoming", *READERS}


def test_exactly_the_limit_is_allowed(store: DocumentStore) -> None:
    assert store.add("full.txt", io.BytesIO(b"x" * 100_000)).size == 100_000


def test_no_more_than_the_limit_is_read(store: DocumentStore) -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return b"x" * size

    with pytest.raises(TooLarge):
        store.add("endless.txt", Endless())  # type: ignore[arg-type]  # all that is asked of it is read()


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_hostile_name_reaches_no_file(store: DocumentStore, tmp_path: Path, name: str) -> None:
    before = everything(tmp_path)
    with pytest.raises(Invalid):
        store.add(name, io.BytesIO(b"text"))
    for ask in (store.get, store.delete, store.facts, store.text):
        with pytest.raises(NotFound):
            ask(name)
    assert everything(tmp_path) == before


def test_an_existing_name_is_a_conflict(store: DocumentStore) -> None:
    store.add("a.txt", io.BytesIO(b"first"))
    with pytest.raises(Conflict):
        store.add("a.txt", io.BytesIO(b"second"))
    assert store.path_of(store.get("a.txt")).read_bytes() == b"first"


def test_of_many_who_add_one_name_exactly_one_wins(store: DocumentStore) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            time.sleep(0.05)  # so that all of them are past the first look at the name
            return super().read(size)

    errors = in_threads(8, lambda number: void(store.add("same.txt", Slow(f"text {number}".encode()))))
    assert [type(error) for error in errors] == [Conflict] * 7
    document = store.get("same.txt")
    assert document.size == store.path_of(document).stat().st_size
    assert not list((store.root / "incoming").iterdir())


def void(_: object) -> None:
    """Throw a result away."""


def test_a_document_is_invisible_until_it_is_complete(store: DocumentStore) -> None:
    class Watching(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            assert not store.list()
            with pytest.raises(NotFound):
                store.get("a.txt")
            return super().read(size)

    store.add("a.txt", Watching(b"text"))
    assert names(store) == ["a.txt"]


def test_an_upload_that_breaks_off_leaves_nothing(store: DocumentStore, tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise ConnectionError
            return super().read(min(size or 3, 3))

    with pytest.raises(ConnectionError):
        store.add("a.txt", Broken(b"text"))
    assert everything(tmp_path) == {"root", "root/documents", "root/incoming"}


def test_a_deleted_document_is_gone_with_its_text(store: DocumentStore) -> None:
    store.add("a.txt", io.BytesIO(b"text"))
    store.add("b.txt", io.BytesIO(b"other"))
    assert len(list(store.root.rglob("*.text"))) == 2
    store.delete("a.txt")
    assert names(store) == ["b.txt"]
    assert len(list(store.root.rglob("*.text"))) == 1
    with pytest.raises(NotFound):
        store.delete("a.txt")
    store.add("a.txt", io.BytesIO(b"again"))


def test_of_many_who_delete_exactly_one_does(store: DocumentStore) -> None:
    store.add("a.txt", io.BytesIO(b"text"))
    errors = in_threads(8, lambda _: store.delete("a.txt"))
    assert [type(error) for error in errors] == [NotFound] * 7


def test_listing_goes_on_while_documents_come_and_go(store: DocumentStore) -> None:
    def work(number: int) -> None:
        for _ in range(20):
            if number % 2:
                assert all(document.size for document in store.list())
            else:
                store.add(f"{number}.txt", io.BytesIO(b"text"))
                store.delete(f"{number}.txt")

    assert not in_threads(6, work)
    assert not store.list()


def test_strange_entries_are_no_documents(store: DocumentStore) -> None:
    folder = store.root / "documents"
    (folder / "stray").write_text("x")
    (folder / "half").mkdir()
    (folder / "damaged").mkdir()
    (folder / "damaged" / "meta.json").write_text("{")
    assert store.list() == []


def test_leftovers_of_a_crash_are_removed_after_a_day(store: DocumentStore) -> None:
    old, young = store.root / "incoming" / "old", store.root / "incoming" / "young"
    for folder in (old, young):
        folder.mkdir(parents=True)
        (folder / "content").write_text("half")
    os.utime(old, (time.time() - 100_000,) * 2)
    store.add("a.txt", io.BytesIO(b"text"))
    assert not old.exists()
    assert young.exists()


def test_a_new_root_holds_the_samples(tmp_path: Path) -> None:
    store = DocumentStore(tmp_path / "new", max_bytes=1000)
    assert names(store) == SAMPLE_NAMES
    assert {document.type for document in store.list()} == {PLAIN, MARKDOWN, HTML, PDF, DOCX}
    for document in store.list():
        assert store.path_of(document).read_bytes() == (SAMPLES / document.name).read_bytes()


def test_a_deleted_sample_stays_deleted(tmp_path: Path) -> None:
    for name in SAMPLE_NAMES:
        DocumentStore(tmp_path, max_bytes=1000).delete(name)
    assert DocumentStore(tmp_path, max_bytes=1000).list() == []


def test_of_many_first_users_one_seeds(tmp_path: Path) -> None:
    found: list[list[str]] = []
    errors = in_threads(8, lambda _: found.append(names(DocumentStore(tmp_path / "new", max_bytes=1000))))
    assert not errors
    assert found == [SAMPLE_NAMES] * 8
    assert not list((tmp_path / "new" / "incoming").iterdir())


def test_a_late_seeder_brings_nothing_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = store_module._copy_samples

    def overtaken(documents: Path) -> None:
        copy(documents)
        monkeypatch.setattr(store_module, "_copy_samples", copy)
        for name in SAMPLE_NAMES:
            DocumentStore(tmp_path, max_bytes=1000).delete(name)

    monkeypatch.setattr(store_module, "_copy_samples", overtaken)
    assert DocumentStore(tmp_path, max_bytes=1000).list() == []


def test_without_samples_a_new_root_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "SAMPLES", tmp_path / "nowhere")
    store = DocumentStore(tmp_path / "new", max_bytes=1000)
    assert store.list() == []
    store.add("a.txt", io.BytesIO(b"text"))
    assert names(store) == ["a.txt"]


@pytest.mark.parametrize("damage", [None, b"{damaged", b'{"title": null, "characters": 5}\nHel'])
def test_a_text_is_read_once_and_again_when_it_is_lost(
    store: DocumentStore, monkeypatch: pytest.MonkeyPatch, damage: bytes | None
) -> None:
    store.add("a.txt", io.BytesIO(b"Hello queue."))
    (path,) = store.root.rglob("*.text")
    path.unlink() if damage is None else path.write_bytes(damage)
    assert store.text("a.txt")[1].text == "Hello queue."
    monkeypatch.setattr(store_module, "extract_apart", None)
    assert store.text("a.txt")[1].text == "Hello queue."
    assert store.facts("a.txt")[1].characters == 12


def test_the_same_bytes_under_another_type_are_another_text(store: DocumentStore) -> None:
    content = b"# Hello *queue*"
    plain = store.add("a.txt", io.BytesIO(content))
    marked = store.add("a.md", io.BytesIO(content))
    assert plain.sha256 == marked.sha256
    assert store.text("a.txt")[1].text == "# Hello *queue*"
    assert store.text("a.md")[1].text == "Hello queue"


def test_a_stream_is_read_in_pieces(store: DocumentStore) -> None:
    sizes: list[int | None] = []

    class Counting(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            sizes.append(size)
            return super().read(size)

    stream: BinaryIO = Counting(b"x" * 1000)
    store.add("a.txt", stream)
    assert all(size is not None and 0 < size <= 1024 * 1024 for size in sizes)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_nobody_else_may_read_what_is_stored(tmp_path: Path) -> None:
    (tmp_path / "incoming").mkdir(mode=0o755)  # of an earlier release
    store = DocumentStore(tmp_path, max_bytes=1000)
    store.add("a.txt", io.BytesIO(b"some text"))
    for name in ("documents", "incoming"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0, name
