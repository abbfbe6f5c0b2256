"""Classes of characters that Python's `re` has no names for."""

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final


def word_set(listing: str) -> frozenset[str]:
    """The words of a listing that separates them by white space."""
    return frozenset(listing.split())


def _ranges(codes: Iterable[int]) -> Iterator[str]:
    first = last = -2
    for code in codes:
        if code != last + 1:
            if first >= 0:
                yield f"\\U{first:08x}-\\U{last:08x}"
            first = code
        last = code
    if first >= 0:
        yield f"\\U{first:08x}-\\U{last:08x}"


def _of_category(letter: str, start: int, end: int) -> str:
    codes = (code for code in range(start, end) if unicodedata.category(chr(code))[0] == letter)
    return "".join(_ranges(codes))


# Bodies of `[…]` in a regular expression.
MARKS: Final = _of_category("M", 0x300, 0x20000)  # accents, vowel signs of Indic and South-East Asian scripts
HANGUL: Final = "\uac00-\ud7a3\u1100-\u11ff\u3131-\u318e"
KANA: Final = "\u3041-\u309f\u30a1-\u30ff\u31f0-\u31ff\uff66-\uff9d"
HAN: Final = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
