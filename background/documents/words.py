"""Words, sentences and paragraphs. Every pattern here takes time in proportion to the text."""

import re
from collections.abc import Iterator
from typing import Final

from background.documents.characters import HAN, HANGUL, KANA, MARKS, word_set

_LETTER: Final = f"[^\\W_{HAN}{KANA}]"
_INSIDE: Final = f"(?:{_LETTER}|[{MARKS}\u200c\u200d])"
_JOINT: Final = (
    "['\u2019\\-\u2010\u2011]"  # don't, well-known
    "|(?<=\\d)[.,](?=\\d)"  # 3.14, 1,000
    "|(?<=\\b[A-Za-z])\\.(?=[A-Za-z]\\b)"  # e.g, U.S
)
_WORD: Final = re.compile(f"[{HAN}{KANA}][{MARKS}]*|{_LETTER}{_INSIDE}*(?:(?:{_JOINT}){_INSIDE}+)*")

_GAP: Final = re.compile(r"\n[^\S\n]*\n\s*")
_ALPHANUMERIC: Final = re.compile(r"[^\W_]")
_END: Final = re.compile(
    "(?<![.!?\u2026])[.!?\u2026]++[\"'\u201d\u2019\u00bb)\\]]*+(?=\\s|$)"
    "|[\u3002\uff01\uff1f\uff61]+[\u300d\u300f\u201d\u2019\uff09)]*"  # ideographic full stops need no space
    f"|(?<=[{HANGUL}])[.!?]+(?=[{HANGUL}])"  # a forgotten space
)
_LAST_TOKEN: Final = re.compile(r"[^\s(\[\"'\u201c\u2018]+$")
_NUMBERED: Final = re.compile(r"\s{0,10}\d{1,3}")
_DOTTED: Final = re.compile(r"(?:[a-z]\.)*[a-z]", re.IGNORECASE)  # an initial, e.g, U.S
_ABBREVIATIONS: Final = word_set(
    "dr mr mrs ms prof st sr jr vs fig no vol pp ch sec eq al ca cf approx dept est inc ltd co corp"
)


def find_words(text: str) -> Iterator[str]:
    """The words of `text` in order.

    A word is a run of letters, digits and their accents, with the apostrophes, hyphens and decimal points in
    it; a Korean word is what stands between spaces (eojeol). In scripts without spaces there is no telling
    where a word ends: each Chinese or Japanese character counts as one, each unspaced run of another (Thai,
    Khmer) as one.
    """
    return (match[0] for match in _WORD.finditer(text))


def find_paragraphs(text: str) -> list[str]:
    """What blank lines separate, without parts that hold no letter or digit."""
    return [part for part in _GAP.split(text) if _ALPHANUMERIC.search(part)]


def count_sentences(paragraph: str) -> int:
    """How many sentences a paragraph has; one without a full stop (a heading) is one.

    Full stops in numbers, after initials, list numbers and common abbreviations end nothing, nor do dots
    before a lower-case letter.
    """
    count = begin = 0
    for end in _END.finditer(paragraph):
        if _goes_on(paragraph, end, begin=begin):
            continue
        count += _ALPHANUMERIC.search(paragraph, begin, end.start()) is not None
        begin = end.end()
    return count + (_ALPHANUMERIC.search(paragraph, begin) is not None)


def _goes_on(paragraph: str, end: re.Match[str], *, begin: int) -> bool:
    following = paragraph[end.end() : end.end() + 4].lstrip()[:1]
    if not following:
        return False
    if following.islower():
        return True
    if end[0] != ".":
        return False
    if _NUMBERED.fullmatch(paragraph, begin, end.start()):
        return True
    token = _LAST_TOKEN.search(paragraph[max(begin, end.start() - 20) : end.start()])
    return token is not None and (token[0].lower() in _ABBREVIATIONS or bool(_DOTTED.fullmatch(token[0])))
