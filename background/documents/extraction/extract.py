"""Whatever the kind of file: the reader for it, and what holds of every text."""

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Final

from background.base.errors import Invalid, UnsupportedType
from background.documents import naming
from background.documents.extraction import ExtractedText, Facts, Reading

MAX_CHARACTERS: Final = 21 * 1024 * 1024  # no plain text within the default upload limit has more
MAX_TITLE: Final = 300
_MARKS: Final = [chr(code) for code in range(0x300, 0x20000) if unicodedata.category(chr(code))[0] == "M"]
_RARE: Final = len([mark for mark in _MARKS if mark > "\uffff"])
# Rare ones apart: `re` looks through these one by one, whatever the character.
MARK: Final = f"(?:[{''.join(_MARKS[:-_RARE])}]|(?=[\U00010000-\U0001ffff])[{''.join(_MARKS[-_RARE:])}])"

# Longer sequences of accents are never language, and normalising one takes quadratic time (UAX #15, 13:
# Stream-Safe Text Format allows 30).
_LONG_RUN: Final = re.compile("[\u0300-\U0001ffff]{31,}")  # a quick look, where there may be one
_PILED_MARKS: Final = re.compile(f"({MARK}{{30}}){MARK}+")
_NEWLINES: Final = re.compile(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
# A soft hyphen is seen at the end of a line alone, and would part a word in two.
_NEVER_SHOWN: Final = r"\x00-\x08\x0e-\x1f\x7f-\x9f\xad\ufeff\ufffe\uffff"
_UNPRINTABLE: Final = re.compile(f"[{_NEVER_SHOWN}]")
_SURROGATES: Final = re.compile(r"[\ud800-\udfff]")
_LINE_ENDS: Final = re.compile(r"(?<!\s)[^\S\n]+$", re.MULTILINE)
_BLANK_LINES: Final = re.compile(r"\n\s*\n")
# Ends where what follows neither joins what stands before it, nor belongs to the same white space. What is replaced in
# a whole text takes up to a hundred times its size.
_BORDER: Final = rf"(?<=[^\s{_NEVER_SHOWN}])(?=[\n -~\u3001\u3002\u3400-\u9fff\uac00-\ud7a3])|\Z"
_PIECE: Final = re.compile(rf"(?s)\s*+(?:.{{1,65536}}(?:{_BORDER})|.{{1,65536}}|\Z)")


def extract(path: Path, media_type: str) -> ExtractedText:
    """Read the text of the file at `path`, a document of one of the five media types of `naming`.

    Raises `Invalid` when it is broken, encrypted or has no text, or more than is allowed; `UnsupportedType` for
    another media type; `OSError`. `sandbox.extract_apart` bounds time and memory.
    """
    read = _reader(media_type)
    data = path.read_bytes()
    try:
        reading = read(data)
    except (Invalid, MemoryError):
        raise
    except Exception as error:  # parsers of damaged files raise anything: KeyError, RecursionError …
        message = f"The file cannot be read as {naming.LABELS[media_type]}."
        raise naming.refused(message, code="document_unreadable") from error
    del data  # a text of which one character is wide takes four times as much, twice
    if len(reading.text) > MAX_CHARACTERS:
        message = f"The document has more than {MAX_CHARACTERS:,} characters."
        raise naming.refused(message, code="document_too_long", limit=MAX_CHARACTERS)
    text = tidy(reading.text)
    if not any(character.isalnum() for character in text):
        raise naming.refused("The file holds no text.", code="document_empty")
    title = " ".join(tidy((reading.title or "")[: 4 * MAX_TITLE]).split())[:MAX_TITLE].strip() or None
    facts = {**reading._asdict(), "title": title, "unread_pages": [*reading.unread_pages], "characters": len(text)}
    return ExtractedText(Facts(**facts), text)


def _reader(media_type: str) -> Callable[[bytes], Reading]:
    match media_type:
        case naming.PLAIN:
            from background.documents.extraction.encoding import read_plain as reader
        case naming.MARKDOWN:
            from background.documents.extraction.markdown import read_markdown as reader
        case naming.HTML:
            from background.documents.extraction.html import read_html as reader
        case naming.PDF:
            from background.documents.extraction.pdf import read_pdf as reader
        case naming.DOCX:
            from background.documents.extraction.docx import read_docx as reader
        case _:
            raise UnsupportedType(f"Documents of the type {media_type} cannot be read here.")
    return reader


def tidy(text: str) -> str:
    """`text` in NFC with `\\n` line ends, no control characters and at most one blank line in a row."""
    return "".join(_tidy(piece[0]) for piece in _PIECE.finditer(text)).strip()


def _tidy(text: str) -> str:
    text = _SURROGATES.sub("\ufffd", _UNPRINTABLE.sub("", _NEWLINES.sub("\n", text)))
    text = _LONG_RUN.sub(lambda run: _PILED_MARKS.sub(r"\1", run[0]), text)
    text = unicodedata.normalize("NFC", text)
    return _BLANK_LINES.sub("\n\n", _LINE_ENDS.sub("", text))
