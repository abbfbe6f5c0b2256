"""Which language a text is in: by its script, among Latin languages by their commonest words."""

import re
from collections import Counter, defaultdict
from typing import Final

from background.documents.characters import HAN, HANGUL, KANA
from background.documents.stopwords import LATIN

UNDETERMINED: Final = "und"  # ISO 639-2

# How many letters of an alphabet one character stands for, so that scripts can be weighed against each other.
_SCRIPTS: Final = (
    ("latin", "A-Za-z\u00aa\u00ba\u00c0-\u024f\u1e00-\u1eff", 1.0),
    ("ko", HANGUL, 2.5),
    ("kana", KANA, 2.0),
    ("han", HAN, 3.0),
    ("cyrillic", "\u0400-\u052f", 1.0),
    ("el", "\u0370-\u03ff\u1f00-\u1fff", 1.0),
    ("ar", "\u0620-\u064a\u066e-\u06d3", 1.3),
    ("he", "\u05d0-\u05ea", 1.3),
    ("hi", "\u0904-\u0939\u093e-\u094c", 1.0),
    ("th", "\u0e01-\u0e4e", 1.0),
)
_PATTERNS: Final = tuple((name, re.compile(f"[{body}]"), weight) for name, body, weight in _SCRIPTS)
_UKRAINIAN: Final = frozenset("іїєґ")


def detect_language(characters: Counter[str], words: Counter[str]) -> str:
    """An ISO 639 code, or `und`, from how often each character and each word (in lower case) occurs.

    The script with the greatest weight decides; it names the language where only one common language uses it
    (for Hindi, Arabic and Hebrew that is a guess at the likeliest one). Latin text needs stop words: the
    language with the most of them, if they make up a tenth of the text and no other has as many.
    """
    weights: defaultdict[str, float] = defaultdict(float)
    for character, count in characters.items():
        for script, pattern, weight in _PATTERNS:
            if pattern.match(character):
                weights[script] += count * weight
                break
    if not weights:
        return UNDETERMINED
    if weights["han"] + weights["kana"] > 0:
        _merge_japanese_and_chinese(weights)
    script = max(weights, key=lambda each: weights[each])
    if script == "latin":
        return _latin_language(words)
    if script == "cyrillic":
        return "uk" if any(characters[letter] for letter in _UKRAINIAN) else "ru"
    return script


def _merge_japanese_and_chinese(weights: dict[str, float]) -> None:
    """Chinese has no kana; Japanese has many among its Han characters."""
    han, kana = weights.pop("han", 0), weights.pop("kana", 0)
    weights["ja" if kana * 10 > han else "zh"] = han + kana


def _latin_language(words: Counter[str]) -> str:
    hits = {language: sum(words[word] for word in stopwords if word in words) for language, stopwords in LATIN.items()}
    (best, most), (_, second) = Counter(hits).most_common(2)
    if most == second or most * 10 < words.total():
        return UNDETERMINED
    return best
