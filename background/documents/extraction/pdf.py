"""PDF to readable text."""

import contextlib
import re
import unicodedata
from collections import Counter
from itertools import zip_longest
from typing import Final

from pypdfium2 import PdfDocument, PdfiumError, PdfPage, PdfTextPage
from pypdfium2 import raw as pdfium

from background.documents.extraction import Reading
from background.documents.extraction.extract import MAX_CHARACTERS
from background.documents.naming import refused

MAX_PAGES: Final = 5_000

_SENTENCE_END: Final = re.compile(r"[.!?:\u3002\uff01\uff1f][\"'\u201d\u2019)\]\u300d\u300f]*$")
# What PDFium writes for a hyphen that only ends a line. A soft one elsewhere is shown: fonts have one glyph for both.
_HYPHENATED: Final = re.compile("[\x02\ufffe]\\s*")
# Between a word in Hebrew or Arabic and one in Latin letters it often writes no space.
_TURN: Final = re.compile("(?<=[\u05d0-\u07ff])(?=[A-Za-z])|(?<=[A-Za-z])(?=[\u05d0-\u07ff])")
# What it writes for glyphs of which the file does not say what they mean.
_UNKNOWN: Final = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ue000-\uf8ff\ufffd]")
# TeX and others print an accent of its own over a letter, before it or after it.
_ACCENTS: Final = "`´ˆ˜¯˘˙¨˚˝ˇ¸˛"  # noqa: RUF001
_COMBINING: Final = "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327\u0328"
_DOTLESS: Final = {"\u0131": "i", "\u0237": "j"}
_SAMPLE: Final = 200  # characters of a page
# In a number stands no ampersand, and no parenthesis that nothing closes.
_BETWEEN_WORDS: Final = re.compile(
    r"^\W+|\W+$|[-\u2010-\u2026'\".,:;!?/_\u3001-\u301f\u30fb]+|(?<!\d)[&()]|[&()](?!\d)|\((?=[^()]*\))"
)
# No language is written in these alone; in fonts of Windows the glyphs of Cyrillic letters have their numbers.
_PHONETIC: Final = re.compile("[\u0250-\u02af]")
_EAST_ASIAN: Final = frozenset({"CJK", "HANGUL", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"})


def read_pdf(data: bytes) -> Reading:
    """The title is that of the metadata, else the first line. What stands in the fields of a form, and in notes on
    the pages, is part of them. A page that cannot be read is left out.

    Raises `Invalid` for a file that does not open without a password, or of which no page can be read, `PdfiumError`
    for a broken one.
    """
    try:
        document = PdfDocument(data)
    except PdfiumError as error:
        if error.err_code == pdfium.FPDF_ERR_PASSWORD:
            raise refused("The PDF is encrypted.", code="document_encrypted") from None
        raise
    if len(document) > MAX_PAGES:
        message = f"The PDF has more than {MAX_PAGES:,} pages."
        raise refused(message, code="document_pages", limit=MAX_PAGES)
    with contextlib.suppress(PdfiumError):  # a form that is broken leaves the pages as they are
        document.init_forms()
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
    if unread and not text.strip():
        reason = "they are broken, or do not say which characters their glyphs stand for"
        raise refused(f"The pages of the PDF cannot be read: {reason}.", code="document_glyphs")
    title = document.get_metadata_value("Title").strip()
    return Reading(title or text.strip().partition("\n")[0], text, len(document), tuple(unread))


def _page(document: PdfDocument, number: int) -> str | None:
    """The text of a page with its fields and notes; None where it is broken, or says nothing that could be words."""
    try:
        page = document[number]
        text = _text(page)
        if pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY) == pdfium.FLATTEN_SUCCESS and text is not None:
            with_fields = _text(document[number])
            # A page that inherits its fonts loses them in this.
            return with_fields if with_fields and Counter("".join(text.split())) <= Counter(with_fields) else text
    except PdfiumError:
        return None
    return text


def _text(page: PdfPage) -> str | None:
    found = page.get_textpage()
    text = _TURN.sub(" ", _accented(found, found.get_text_range()))
    return _HYPHENATED.sub("", text).replace("\xad", "-") if _is_known(found, text) or _is_language(text) else None


def _accented(page: PdfTextPage, text: str) -> str:
    """The text of a page with each accent in the letter beside it over which it is printed."""
    out = list(text)
    for at in (at for at, each in enumerate(text) if each in _ACCENTS):
        beside = next((each for each in (at - 1, at + 1) if _is_over(page, text, at, each)), None)
        if beside is not None:
            out[beside] = _DOTLESS.get(out[beside], out[beside]) + _COMBINING[_ACCENTS.index(text[at])]
            out[at] = ""
    return "".join(out)


def _is_over(page: PdfTextPage, text: str, accent: int, letter: int) -> bool:
    if not text[letter : letter + 1].isalpha():
        return False
    places = [pdfium.FPDFText_GetCharIndexFromTextIndex(page, each) for each in (accent, letter)]
    if pdfium.FPDFText_GetCharAngle(page, places[0]) != 0:
        return False
    (left, _, right, _), (begin, _, end, _) = map(page.get_charbox, places)
    return bool(begin <= (left + right) / 2 <= end)


def _is_known(page: PdfTextPage, text: str) -> bool:
    """Whether the file says which characters three quarters of its glyphs are; the rest may be right by chance."""
    length = page.count_chars()
    sample = range(0, length, length // _SAMPLE + 1)
    unmapped = sum(pdfium.FPDFText_HasUnicodeMapError(page, at) == 1 for at in sample)
    return unmapped * 4 <= len(sample) and len(_UNKNOWN.findall(text)) * 4 <= len(text)


def _is_language(text: str) -> bool:
    """Whether half of what stands between spaces may be words and numbers, in whatever language."""
    pieces = [piece for piece in text.split() if re.search(r"\w", piece) or _UNKNOWN.search(piece)]
    return sum(map(_may_be_words, pieces)) * 2 >= len(pieces)


def _may_be_words(piece: str) -> bool:
    words = filter(None, _BETWEEN_WORDS.split(unicodedata.normalize("NFKC", piece)))
    return not _UNKNOWN.search(piece) and all(word.isdigit() or _may_be_word(word) for word in words)


def _may_be_word(word: str) -> bool:
    """Whether it is in one script, and in small letters, capitals, or begins with one."""
    letters = "".join(each for each in word if unicodedata.category(each)[0] != "M")
    if not letters.isalpha() or len(_PHONETIC.findall(letters)) * 2 > len(letters):
        return False
    scripts = {unicodedata.name(each, "").partition(" ")[0] for each in letters}
    has_case = letters.lower() != letters.upper()
    is_cased_well = not has_case or letters.islower() or letters.isupper() or letters.istitle()
    return is_cased_well and (len(scripts) == 1 or scripts <= _EAST_ASIAN)


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
