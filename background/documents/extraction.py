"""From a stored file to its text."""

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from background.documents import naming
from background.documents.characters import MARKS
from background.documents.encoding import decode
from background.documents.formats import Reading
from background.errors import Invalid, UnsupportedType

MAX_CHARACTERS: Final = 20 * 1024 * 1024  # no plain text within the default upload limit has more
MAX_TITLE: Final = 300

_LABELS: Final = {
    naming.PLAIN: "plain text",
    naming.MARKDOWN: "Markdown",
    naming.HTML: "HTML",
    naming.PDF: "a PDF",
    naming.DOCX: "a DOCX document",
}
# Longer sequences of accents are never language, and normalising one takes quadratic time (UAX #15, 13:
# Stream-Safe Text Format allows 30).
_PILED_MARKS: Final = re.compile(f"([{MARKS}]{{30}})[{MARKS}]+")
_NEWLINES: Final = re.compile(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ufeff\ufffe\uffff]")
_SURROGATES: Final = re.compile(r"[\ud800-\udfff]")
_LINE_ENDS: Final = re.compile(r"(?<!\s)[^\S\n]+$", re.MULTILINE)
_BLANK_LINES: Final = re.compile(r"\n(?:[^\S\n]*\n)+")


class ExtractedText(BaseModel):
    """What a document says.

    `text` has its paragraphs separated by blank lines, is in NFC, never empty and free of NULs and lone
    surrogates; `title` is one line of at most 300 characters; `pages` is known for a PDF alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str | None
    text: str
    pages: int | None


def extract(path: Path, media_type: str) -> ExtractedText:
    """Read the text of the file at `path`, a document of one of the five media types of `naming`.

    Raises `Invalid` when it is broken, encrypted (a PDF that opens with an empty password counts too) or has
    no text, more than 20 Mi characters, 5,000 pages, or 200 MB of inflated DOCX; `UnsupportedType` for
    another media type; `OSError` when the file cannot be opened. Time and memory are bounded only as far as
    these numbers go: `guard.extract_apart` bounds them for good.
    """
    reader = _reader(media_type)
    data = path.read_bytes()
    if not data:
        raise Invalid("The file is empty.", where=naming.FILE)
    try:
        reading = reader(data)
    except Invalid:
        raise
    except Exception as error:  # parsers of damaged files raise anything: KeyError, RecursionError …
        raise Invalid(f"The file cannot be read as {_LABELS[media_type]}.", where=naming.FILE) from error
    return _tidy_reading(reading)


def _reader(media_type: str) -> Callable[[bytes], Reading]:
    """Imported when needed: a web server or a worker that reads in other processes needs no parser itself."""
    match media_type:
        case naming.PLAIN:
            return _read_plain
        case naming.MARKDOWN:
            from background.documents.formats.markdown import read_markdown

            return lambda data: read_markdown(decode(data))
        case naming.HTML:
            from background.documents.formats.html import read_html

            return read_html
        case naming.PDF:
            from background.documents.formats.pdf import read_pdf

            return read_pdf
        case naming.DOCX:
            from background.documents.formats.docx import read_docx

            return read_docx
        case _:
            raise UnsupportedType(f"Documents of the type {media_type} cannot be read here.")


def tidy(text: str) -> str:
    """`text` in NFC with `\\n` line ends, no control characters and at most one blank line in a row."""
    text = _SURROGATES.sub("\ufffd", _UNPRINTABLE.sub("", _NEWLINES.sub("\n", text)))
    text = unicodedata.normalize("NFC", _PILED_MARKS.sub(r"\1", text))
    return _BLANK_LINES.sub("\n\n", _LINE_ENDS.sub("", text)).strip()


def _tidy_reading(reading: Reading) -> ExtractedText:
    if len(reading.text) > MAX_CHARACTERS:
        raise Invalid(f"The document has more than {MAX_CHARACTERS:,} characters.", where=naming.FILE)
    text = tidy(reading.text)
    if not any(character.isalnum() for character in text):
        raise Invalid("The file holds no text.", where=naming.FILE)
    title = " ".join(tidy((reading.title or "")[: 4 * MAX_TITLE]).split())[:MAX_TITLE].strip()
    return ExtractedText(title=title or None, text=text, pages=reading.pages)


def _read_plain(data: bytes) -> Reading:
    """A short first line that a blank line follows is the title."""
    text = _NEWLINES.sub("\n", decode(data))
    first, _, rest = text.lstrip().partition("\n")
    return Reading(first if len(first) <= 120 and rest.startswith("\n") else None, text)
