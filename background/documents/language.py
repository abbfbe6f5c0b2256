"""Which language a text is in, by CLD3 (what Chrome asks)."""

import re
from functools import cache
from typing import Any, Final

UNDETERMINED: Final = "und"  # ISO 639-2

_SURE: Final = 0.9
_LEAST: Final = (
    24  # letters of Latin; one of other alphabets counts for two, a Korean, Chinese or Japanese one for three
)
_DIFFERENT: Final = 5
_SAMPLE: Final = 64 * 1024  # characters; the library takes 10,000 bytes of it, from all over
_LATIN: Final = re.compile("[A-Za-z\u00c0-\u024f]+")
_HAN: Final = re.compile("[\u4e00-\u9fff]")
_HANGUL: Final = re.compile("[\uac00-\ud7a3]")
_NAMES: Final = {"iw": "he", "fil": "tl"}


@cache
def _identifier() -> Any:
    import gcld3

    return gcld3.NNetLanguageIdentifier(min_num_bytes=0, max_num_bytes=10_000)


def detect_language(text: str) -> str:
    """An ISO 639 code; `und` where it is not sure, for little text and transliterations."""
    sample = text[:_SAMPLE].replace("\0", " ")
    letters = [each for each in sample if each.isalpha()]
    others = sum(1 + (each >= "\u1100") for each in letters if each >= "\u0370")
    if len(letters) + others < _LEAST or len({*letters}) < _DIFFERENT:
        return UNDETERMINED
    if others > len(letters) / 2:  # names and terms in Latin letters mislead it
        sample = _LATIN.sub(" ", sample)
    if len(_HANGUL.findall(sample)) * 3 > len(_HAN.findall(sample)):  # Korean in mixed script is Chinese to it
        sample = _HAN.sub(" ", sample)
    found = _identifier().FindLanguage(text=sample.encode("utf-8", "replace").decode())
    code: str = _NAMES.get(found.language, found.language)
    if found.probability < _SURE or not found.is_reliable or code.endswith("-Latn"):
        return UNDETERMINED
    return code.partition("-")[0]
