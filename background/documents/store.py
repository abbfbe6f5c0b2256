"""Where documents are kept.

    DATA_DIR/documents/<id>/content, meta.json    one folder per document, <id> from `naming.document_id`
    DATA_DIR/documents/<id>/*.text                its text, which can be made again
    DATA_DIR/incoming/                            folders on their way in or out
    DATA_DIR/readers/, DATA_DIR/reports/          places to read in; reports

A document is visible exactly while its folder stands in `documents`, and it gets there and away by one rename.
"""

import contextlib
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias, TypeVar

from pydantic import AwareDatetime, BaseModel, ValidationError

from background.base.errors import Conflict, Invalid, NotFound, TooLarge, UnsupportedType
from background.documents.extraction import ExtractedText, Facts
from background.documents.naming import clean_name, document_id, media_type_of, refused
from background.documents.sandbox import extract_apart, read_facts, read_text

SAMPLES: Final = Path(__file__).parent / "samples"

_CHUNK: Final = 256 * 1024
_LEFTOVER_SECONDS: Final = 24 * 3600
_CONTENT: Final = "content"
_META: Final = "meta.json"
_RECIPE: Final = "8"  # raise it when extraction changes: texts of before are then made again

_Read = TypeVar("_Read", Facts, ExtractedText)


class Document(BaseModel):
    """A stored document: `size` in bytes, `type` a media type, `sha256` of its content in hex.

    `encoding` is that of its text, where it had to be guessed and is not sure.
    """

    name: str
    size: int
    type: str
    sha256: str
    stored_at: AwareDatetime
    encoding: str | None = None

    @property
    def text_key(self) -> str:
        """64 hex digits for its text; the same bytes read as another type are another text."""
        return hashlib.sha256(f"1\n{self.type}\n{self.sha256}".encode()).hexdigest()

    @property
    def text_file(self) -> str:
        """The name of the file with its text; never that of another document, which may be stored meanwhile."""
        return f"{self.text_key}.{_RECIPE}.text"


Listing: TypeAlias = list[Document]


class DocumentStore:
    """The documents below `root` (DATA_DIR). Any number of processes may use the same root at once.

    A root that has no `documents` folder gets one with the bundled samples in it at its first use; a sample
    that is deleted later stays deleted.
    """

    def __init__(self, root: Path, *, max_bytes: int) -> None:
        self.root: Final = root.absolute()
        self._max_bytes = max_bytes
        self._documents = self.root / "documents"
        self._incoming = self.root / "incoming"

    def list(self) -> Listing:
        """All documents, sorted by name."""
        self._ensure_seeded()
        found = (_read_meta(folder) for folder in self._documents.iterdir())
        return sorted((document for document in found if document is not None), key=lambda each: each.name)

    def get(self, name: str) -> Document:
        """The document of that name. Raises `NotFound`, also for a name that none can have."""
        document = _read_meta(self._folder(name))
        if document is None:
            raise missing(name)
        return document

    def path_of(self, document: Document) -> Path:
        """The file with the content of a document from `get`, `list` or `add`; gone when it was deleted since."""
        return self._documents / document_id(document.name) / _CONTENT

    def facts(self, name: str) -> tuple[Document, Facts]:
        """A document and what is known of it, read again where its text is not there.

        Raises `NotFound` as `get` does, `Invalid` when the content cannot be read any more.
        """
        return self._read(name, read_facts)

    def text(self, name: str) -> tuple[Document, ExtractedText]:
        """A document and its text. Raises what `facts` raises."""
        return self._read(name, read_text)

    def add(self, name: str, stream: BinaryIO) -> Document:
        """Store what `stream` gives under `name`, whose extension says what it is.

        Raises `Invalid` (a name that cannot be one; a file that is empty, broken, encrypted or without text),
        `UnsupportedType`, `Conflict` (the name exists, or another upload of it was first) and `TooLarge`.
        In each case nothing is kept.
        """
        name = clean_name(name)
        media_type_of(name)
        target = self._folder(name)
        self._remove_leftovers()
        make_private(self._documents)
        if target.exists():
            raise _taken(name)
        with self._workspace() as folder:
            document = _stored(folder, name, stream, limit=self._max_bytes)
            self._extract(folder / _CONTENT, document, folder / document.text_file)
            facts = read_facts(folder / document.text_file)
            if facts and not facts.encoding_sure:
                document = document.model_copy(update={"encoding": facts.encoding})
            _write_meta(folder, document)
            if not _move(folder, target):
                raise _taken(name)
        return document

    def delete(self, name: str) -> None:
        """Remove a document and its text. Raises `NotFound` as `get` does."""
        self.get(name)
        with self._workspace() as folder:
            try:
                self._folder(name).rename(folder / "deleted")
            except FileNotFoundError:
                raise missing(name) from None

    def _read(self, name: str, read: Callable[[Path], _Read | None]) -> tuple[Document, _Read]:
        document = self.get(name)
        path = self._folder(name) / document.text_file
        found = read(path)
        if found is None:
            with self._workspace() as folder, contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                self._extract(self.path_of(document), document, folder / "text")
                (folder / "text").replace(path)
            found = read(path)
        if found is None:
            raise missing(name)
        return document, found

    def _extract(self, content: Path, document: Document, target: Path) -> None:
        extract_apart(content, document.type, target, places=self.root / "readers")

    def _folder(self, name: str) -> Path:
        """Where a document of that name is, if it is. Raises `NotFound` for a name that none can have."""
        self._ensure_seeded()
        try:
            return self._documents / document_id(clean_name(name))
        except Invalid:
            raise missing(name) from None

    @contextlib.contextmanager
    def _workspace(self) -> Iterator[Path]:
        """A new folder on the same file system; what is still in it at the end is removed."""
        folder = self._incoming / uuid.uuid4().hex
        make_private(self._incoming)
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _ensure_seeded(self) -> None:
        if self._documents.is_dir():
            return
        with self._workspace() as folder:
            _copy_samples(folder)
            _move(folder, self._documents)

    def _remove_leftovers(self) -> None:
        """Remove what a process left in `incoming` when it died there a day ago or longer."""
        for folder in self._incoming.glob("*"):
            with contextlib.suppress(FileNotFoundError):
                if folder.stat().st_mtime < time.time() - _LEFTOVER_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)


def make_private(folder: Path) -> None:
    """Make it where it is absent; in either case nobody but its owner may enter."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        with contextlib.suppress(PermissionError):  # it belongs to somebody else, who decides
            folder.chmod(0o700)


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whose folder is made when absent, so that no reader ever sees a part of it."""
    make_private(path.parent)
    beside = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _stored(folder: Path, name: str, stream: BinaryIO, *, limit: int) -> Document:
    """Copy at most `limit` bytes to `folder`; what is known of them. Raises `TooLarge`, `Invalid` for none."""
    digest = hashlib.sha256()
    size = 0
    with (folder / _CONTENT).open("wb") as out:
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
            if size > limit:
                raise TooLarge(f"A document has at most {limit:,} bytes.", code="body_too_large", bytes=limit)
            digest.update(chunk)
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    if size == 0:
        raise refused("The file is empty.", code="document_empty")
    media_type, now = media_type_of(name), datetime.now(UTC)
    return Document(name=name, size=size, type=media_type, sha256=digest.hexdigest(), stored_at=now)


def _copy_samples(documents: Path) -> None:
    """The bundled samples as documents; an installation may lack them."""
    # Keeps the folder from being empty: a rename replaces an empty one, and would bring back what was deleted.
    (documents / ".seeded").touch()
    for sample in SAMPLES.glob("*"):
        with contextlib.suppress(UnsupportedType):
            media_type_of(sample.name)
            folder = documents / document_id(sample.name)
            folder.mkdir()
            with sample.open("rb") as stream:
                _write_meta(folder, _stored(folder, sample.name, stream, limit=sample.stat().st_size))


def _move(folder: Path, target: Path) -> bool:
    """Rename `folder` to `target`; False when there is a target already, which is then left as it is."""
    try:
        folder.rename(target)
    except OSError:
        if target.exists():
            return False
        raise
    return True


def _write_meta(folder: Path, document: Document) -> None:
    (folder / _META).write_text(document.model_dump_json(), encoding="utf-8")


def _read_meta(folder: Path) -> Document | None:
    try:
        return Document.model_validate_json((folder / _META).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValidationError):
        return None


def missing(name: str) -> NotFound:
    """What is raised where no document has that name."""
    return NotFound(f"There is no document {name[:80]!r}.", what="document", id=repr(name[:80]))


def _taken(name: str) -> Conflict:
    return Conflict(f"There is a document {name[:80]!r} already.", code="document_exists", name=repr(name[:80]))
