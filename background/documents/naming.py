"""Which names a document may have, and what its name says about its type."""

import hashlib
import unicodedata
from pathlib import PurePosixPath
from typing import Any, Final

from background.base.errors import Invalid, UnsupportedType

PLAIN: Final = "text/plain"
MARKDOWN: Final = "text/markdown"
HTML: Final = "text/html"
PDF: Final = "application/pdf"
DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

MAX_NAME_CHARACTERS: Final = 200
MAX_NAME_BYTES: Final = 255

_TYPES: Final = {
    ".txt": PLAIN,
    ".text": PLAIN,
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".html": HTML,
    ".htm": HTML,
    ".pdf": PDF,
    ".docx": DOCX,
}
LABELS: Final = {
    PLAIN: "plain text",
    MARKDOWN: "Markdown",
    HTML: "HTML",
    PDF: "a PDF",
    DOCX: "a DOCX document",
}
# Control, format (bidirectional overrides, zero-width), surrogate, line and paragraph separators.
_UNPRINTABLE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS: Final = "\u200c\u200d"


def refused(message: str, *, code: str, **values: Any) -> Invalid:
    """What is raised for an upload; it names the field that the file came in."""
    return Invalid(message, where=("body", "file"), code=code, **values)


def normal(name: str) -> str:
    """The NFC form of `name`: macOS writes names in another one."""
    return unicodedata.normalize("NFC", name)


def clean_name(name: str) -> str:
    """The NFC form of `name`, under which a document is stored and listed.

    Raises `Invalid` for what could be mistaken for a path or for another name: empty, `.`, `..`, slashes,
    unprintable characters but joiners where scripts and emoji need them, white space at an end, more than 200
    characters or 255 bytes of UTF-8.
    """
    name = normal(name)
    if len(name) > MAX_NAME_CHARACTERS:
        raise _bad("A document name has at most {limit} characters.", "long", limit=MAX_NAME_CHARACTERS)
    if not name or name in (".", ".."):
        raise _bad("A document needs a name.", "none")
    if "/" in name or "\\" in name:
        raise _bad("A document name holds no slashes or backslashes.", "slashes")
    if any(unicodedata.category(each) in _UNPRINTABLE and not _joins(name, at) for at, each in enumerate(name)):
        raise _bad("A document name holds no control or invisible characters.", "invisible")
    if name != name.strip():
        raise _bad("A document name neither begins nor ends with white space.", "spaces")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise _bad("A document name has at most {limit} bytes in UTF-8.", "bytes", limit=MAX_NAME_BYTES)
    return name


def _bad(message: str, why: str, **values: int) -> Invalid:
    return refused(message.format(**values), code="document_name", why=why, **values)


def _joins(name: str, at: int) -> bool:
    """Whether the joiner or non-joiner at this place changes how its neighbours look: beside a virama (Indic), between
    Arabic letters, or between emoji."""
    before, after = name[:at][-1:], name[at + 1 : at + 2]
    if name[at] not in _JOINERS or not before or not after:
        return False
    if 9 in map(unicodedata.combining, (before, after)):
        return True
    if unicodedata.category(after) == "So":
        return unicodedata.category(before) in ("So", "Sk") or before == "\ufe0f"
    return unicodedata.bidirectional(before) == unicodedata.bidirectional(after) == "AL"


def document_id(name: str) -> str:
    """64 hex digits that stand for a clean name on disk, so that no name is ever a path."""
    return hashlib.sha256(name.encode()).hexdigest()


def media_type_of(name: str) -> str:
    """The media type that the extension of a clean name means, in any case.

    The extension alone decides; a file whose content is something else fails when it is read.
    Raises `UnsupportedType` for every other extension and for none.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in _TYPES:
        known = ", ".join(_TYPES)
        raise UnsupportedType(f"Only {known} files can be read here.", known=known)
    return _TYPES[suffix]
