"""What a text is about: its most frequent words that are not stop words."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from pydantic import BaseModel, ConfigDict

from background.documents import stopwords
from background.documents.characters import HAN, HANGUL, word_set

MAX_KEYWORDS: Final = 10
_MAX_LENGTH: Final = 60  # characters; longer ones are addresses and encoded data

_POSSESSIVE: Final = re.compile(r"'s?$")
_HANGUL_END: Final = re.compile(f"[{HANGUL}]$")
_ABBREVIATED: Final = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
_CHINESE_STOPS: Final = frozenset("的了是在和与與不被会會之也就都而及或着著这這那有为為以个個")
_HAN_OR_KATAKANA_RUN: Final = re.compile(f"[{HAN}]{{2,}}|[\u30a1-\u30fa\u30fc]{{2,}}")

# Particles that hardly ever end a noun by chance, and those that often do ("고양이", "회의", "결과").
_SURE_PARTICLES: Final = word_set(
    """
    에서는 에서도 에서의 으로는 으로도 으로서 으로써 에게서 이라는 이라고 이라면 까지는 까지도 부터는 에서 에게 에는
    에도 에만 으로 까지 부터 처럼 마다 조차 마저 와는 과는 와의 과의 들은 들이 들을 들의 들에
    """
)
_DOUBTFUL_PARTICLES: Final = word_set(
    "은 는 이 가 을 를 의 에 로 와 과 도 만 나 란 이란 이나 이며 이고 로서 로써 로는 라는 보다 밖에 하고"
)
_PARTICLES: Final = sorted(_SURE_PARTICLES | _DOUBTFUL_PARTICLES, key=len, reverse=True)
# After these a stop word is one still ("것을"); after the others it may be the beginning of a noun ("수도").
_PLAIN_PARTICLES: Final = _SURE_PARTICLES | word_set("은 는 을 를 에")
# Verbs and adjectives say little without a dictionary of their stems.
_PREDICATE: Final = re.compile(
    "(?:다|니까|어요|아요|해요|세요|려요|네요|지요|까요|예요|에요|하는|되는|하고|되고|하며|되며|하면|되면|하여|해서|되어|돼서|해도|해야|하지|되지|하게"
    "|하기|되기|않은|않고|않게|않는|않으면|있고|있어|있을|있던|없고|없게|없을|지만|는데|면서|려고|아서|어서|어도|아도|으면|했던|된다는)$"
)


class Keyword(BaseModel):
    """A word in lower case, without particles, and how often it occurs."""

    model_config = ConfigDict(frozen=True)

    word: str
    count: int


def find_keywords(words: Counter[str], text: str, *, language: str) -> list[Keyword]:
    """At most ten keywords, most frequent first, earlier ones first among equals.

    `words` counts the words of `text` in lower case. Korean nouns are counted without their particles.
    Chinese and Japanese are not segmented: pairs of Han characters stand for words in Chinese, unbroken runs
    of Han or Katakana in Japanese.
    """
    if language in ("zh", "ja"):
        terms = Counter(_unspaced_terms(text, pairs=language == "zh"))
    else:
        terms = _terms(words, stopwords.LATIN.get(language, stopwords.ANY) | stopwords.KOREAN)
    return [Keyword(word=word, count=count) for word, count in terms.most_common(MAX_KEYWORDS)]


def _unspaced_terms(text: str, *, pairs: bool) -> Iterator[str]:
    for match in _HAN_OR_KATAKANA_RUN.finditer(text):
        run = match[0]
        if pairs:
            yield from (first + second for first, second in pairwise(run) if not {first, second} & _CHINESE_STOPS)
        elif len(run) <= _MAX_LENGTH:
            yield run


def _terms(words: Counter[str], stops: frozenset[str]) -> Counter[str]:
    bare: Counter[str] = Counter()
    for word, count in words.items():
        plain = _POSSESSIVE.sub("", word.replace("\u2019", "'"))
        if len(plain) <= _MAX_LENGTH and any(map(str.isalpha, plain)) and not _ABBREVIATED.fullmatch(plain):
            bare[plain] += count
    support = _support(bare)
    terms: Counter[str] = Counter()
    for word, count in bare.items():
        stem = _stem(word, support) if _HANGUL_END.search(word) else word
        if _is_term(stem, stops):
            terms[stem] += count
    return terms


def _is_term(stem: str, stops: frozenset[str]) -> bool:
    if stem in stops:
        return False
    if not _HANGUL_END.search(stem):
        return len(stem) > 1
    forms = (rest for rest, particle in _splits(stem) if particle in _PLAIN_PARTICLES)
    return not _PREDICATE.search(stem) and stops.isdisjoint(forms)


def _support(words: Counter[str]) -> Counter[str]:
    """In how many forms each possible stem occurs: bare, or before different particles."""
    support: Counter[str] = Counter()
    for word in words:
        if _HANGUL_END.search(word):
            support.update({word, *(stem for stem, _ in _splits(word))})
    return support


def _splits(word: str) -> Iterator[tuple[str, str]]:
    """Stem and particle, longest particle first."""
    for particle in _PARTICLES:
        if len(word) > len(particle) and word.endswith(particle):
            yield word.removesuffix(particle), particle


def _stem(word: str, support: Counter[str]) -> str:
    """`word` without its particle, where it is one.

    After Latin letters it always is ("API를"). A doubtful one is taken off only if the stem occurs in the
    text in another form as well; a stem of one syllable needs three forms.
    """
    for stem, particle in _splits(word):
        if not _HANGUL_END.search(stem):
            return stem
        if len(stem) == 1:
            if support[stem] >= 3:
                return stem
        elif particle in _SURE_PARTICLES or support[stem] >= 2:
            return stem
    return word
