"""PDF to readable text."""

import re
from itertools import zip_longest
from typing import Final

from pypdfium2 import PdfDocument, PdfiumError
from pypdfium2.raw import FPDF_ERR_PASSWORD

from background.base.errors import Invalid
from background.documents.extraction import Reading
from background.documents.extraction.extract import MAX_CHARACTERS
from background.documents.naming import FILE

MAX_PAGES: Final = 5_000

_SENTENCE_END: Final = re.compile(r"[.!?:\u3002\uff01\uff1f][\"'\u201d\u2019)\]\u300d\u300f]*$")
_HYPHENATED: Final = re.compile("[\x02\ufffe]\\s*")  # what PDFium writes for a hyphen that only ends a line
# What it writes for glyphs of which the file does not say what they mean.
_UNKNOWN: Final = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ue000-\uf8ff\ufffd]")


def read_pdf(data: bytes) -> Reading:
    """The title is that of the metadata, else the first line. A page that cannot be read is left out.

    Raises `Invalid` for a file that does not open without a password, `PdfiumError` for a broken one.
    """
    try:
        document = PdfDocument(data)
    except PdfiumError as error:
        if error.err_code == FPDF_ERR_PASSWORD:
            raise Invalid("The PDF is encrypted.", where=FILE) from None
        raise
    if len(document) > MAX_PAGES:
        raise Invalid(f"The PDF has more than {MAX_PAGES:,} pages.", where=FILE)
    texts: list[str] = []
    unread: list[int] = []
    size = 0
    for number in range(len(document)):
        text = _page(document, number)
        if text is None:
            unread.append(number + 1)
        else:
            texts.append(_paragraphs(text))
            size += len(texts[-1])
        if size > MAX_CHARACTERS:
            break
    text = "\n\n".join(texts)
    title = document.get_metadata_value("Title").strip()
    return Reading(title or text.strip().partition("\n")[0], text, len(document), tuple(unread))


def _page(document: PdfDocument, number: int) -> str | None:
    """The text of a page; None where it is broken, or a tenth of it are glyphs that stand for nothing known."""
    try:
        page = document[number]
        text = _HYPHENATED.sub("", page.get_textpage().get_text_range())
        page.close()
    except PdfiumError:
        return None
    return None if len(_UNKNOWN.findall(text)) * 10 > len(text) else text


def _paragraphs(page: str) -> str:
    """A PDF knows lines only: one that ends a sentence well before the right margin ends a paragraph, and a short one
    before a capital letter is a heading."""
    lines = [line.strip() for line in page.splitlines()]
    margin = max(map(len, lines), default=0)
    out: list[str] = []
    for line, following in zip_longest(lines, lines[1:], fillvalue=""):
        ends = _SENTENCE_END.search(line) and len(line) < 0.85 * margin
        out += [line, ""] if ends or (len(line) < 0.6 * margin and following[:1].isupper()) else [line]
    return "\n".join(out)
