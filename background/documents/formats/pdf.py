"""PDF to readable text."""

import io
import re
from itertools import zip_longest
from typing import Final

from pypdf import PdfReader

from background.documents.formats import Reading
from background.documents.naming import FILE
from background.errors import Invalid

MAX_PAGES: Final = 5_000
MAX_CHARACTERS: Final = 21 * 1024 * 1024  # a little over what `extraction` accepts: only stops the collecting

_LIGATURES: Final = str.maketrans({0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl"})
_SENTENCE_END: Final = re.compile(r"[.!?:\u3002\uff01\uff1f][\"'\u201d\u2019)\]\u300d\u300f]*$")
_HYPHENATED: Final = re.compile(r"[^\W\d_]{2}-$")


def read_pdf(data: bytes) -> Reading:
    """The title is that of the metadata, else the first line.

    A PDF knows lines only: one that ends a sentence well before the right margin ends a paragraph, and a short
    one before a capital letter is a heading.
    Every encrypted file is refused, also one that opens without a password: what its owner locked stays so.
    """
    reader = PdfReader(io.BytesIO(data), strict=False)
    if reader.is_encrypted:
        raise Invalid("The PDF is encrypted.", where=FILE)
    pages = len(reader.pages)
    if pages > MAX_PAGES:
        raise Invalid(f"The PDF has more than {MAX_PAGES:,} pages.", where=FILE)
    texts: list[str] = []
    size = 0
    for page in reader.pages:
        texts.append(_paragraphs(page.extract_text().translate(_LIGATURES)))
        size += len(texts[-1])
        if size > MAX_CHARACTERS:
            break
    text = "\n\n".join(texts)
    return Reading(_metadata_title(reader) or text.strip().partition("\n")[0], text, pages)


def _metadata_title(reader: PdfReader) -> str | None:
    title = reader.metadata.title if reader.metadata is not None else None
    return title.strip() if isinstance(title, str) else None


def _paragraphs(page: str) -> str:
    lines = [line.strip() for line in page.splitlines()]
    margin = max((len(line) for line in lines), default=0)
    out: list[str] = []
    for line, following in zip_longest(lines, lines[1:], fillvalue=""):
        if out and _HYPHENATED.search(out[-1]) and line[:1].islower():
            out[-1] = out[-1][:-1] + line
        else:
            out.append(line)
        ends = _SENTENCE_END.search(line) and len(line) < 0.85 * margin
        is_heading = len(line) < 0.6 * margin and following[:1].isupper()
        if ends or is_heading:
            out.append("")
    return "\n".join(out)
