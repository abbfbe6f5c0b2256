"""What can be said about a text without understanding it, in time and memory that grow no faster than the text."""

import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice, pairwise
from operator import attrgetter, itemgetter
from typing import Final

import stopwordsiso

from background.documents.extraction.extract import MARK
from background.documents.figures import MAX_KEYWORDS, Analysis, Keyword
from background.documents.language import UNDETERMINED, detect_language

_MAX_LENGTH: Final = 60  # characters; longer ones are addresses and encoded data
_BATCH: Final = 20_000  # words that are counted at a time
_MAX_TERMS: Final = 50_000  # different words that are counted; of more, the rarest so far are forgotten

# Words per minute of silent reading, as `find_words` counts them.
# English non-fiction: Brysbaert 2019, doi:10.1016/j.jml.2019.104047; a fair guess for other alphabets.
_READING_RATE: Final = 238
# Korean, eojeol, 10-point print: Rhiu et al. 2017, doi:10.3341/kjo.2016.0042.
# Chinese and Japanese, characters, read aloud: Trauzettel-Klosinski and Dietz 2012, doi:10.1167/iovs.11-8284.
_READING_RATES: Final = {"ko": 202, "zh": 255, "ja": 357}

_HANGUL: Final = "\uac00-\ud7a3\u1100-\u11ff\u3131-\u318e"
_KANA: Final = "\u3041-\u309f\u30a1-\u30ff\u31f0-\u31ff\uff66-\uff9d"
_HAN: Final = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_LETTER: Final = f"[^\\W_{_HAN}{_KANA}]"
_INSIDE: Final = f"{_LETTER}|[\u200c\u200d]|{MARK}"
_JOINT: Final = r"['\u2019\-\u2010\u2011]|(?<=\d)[.,](?=\d)"  # don't, well-known; 3.14, 1,000
# A group that is repeated is kept in memory as often, so no word has more parts than it may need.
_PARTS: Final = f"(?:{_LETTER}++|(?:{_JOINT})(?={_INSIDE})|{_INSIDE}){{0,9999}}"
_WORD: Final = re.compile(f"[{_HAN}{_KANA}]{MARK}*|{_LETTER}++{_PARTS}")
_RUN: Final = re.compile(f"[{_HAN}]{{2,}}|[\u30a1-\u30fa\u30fc]{{2,}}")

_STOPS: Final = ".!?\u2026"
_CLOSING: Final = "\"'\u201d\u2019\u00bb)\\]"
_LOWER: Final = "a-z\u00df-\u00ff\u03ac-\u03ce\u0430-\u044f"
_SHORT: Final = r"(?<!\b[A-Za-z])(?<!\b[DM]r)(?<!\b[MS][st])(?<!\bMrs)"  # initials, titles and names of places
# An ideographic stop; another one, unless it follows what is short, or a small letter follows. With a whole list of
# abbreviations a count differs by less than a hundredth.
_END: Final = rf"[\u3002\uff01\uff1f\uff61]|(?<![{_STOPS}]){_SHORT}[{_STOPS}]++[{_CLOSING}]*+(?=\s++(?![{_LOWER}])|\Z)"
_BLANK_LINE: Final = r"\n[^\S\n]*\n"
_LETTERS: Final = rf"[^\W\d_][^\n\u3002\uff01\uff1f\uff61{_STOPS}]*+"
_TOKENS: Final = re.compile(rf"(?P<letters>{_LETTERS})|(?P<blank>{_BLANK_LINE})|(?P<end>{_END})|(?P<digits>\d++)")

_HANGUL_END: Final = re.compile(f"[{_HANGUL}]$")
_PARTICLES: Final = """
    에서는 에서도 에서의 으로는 으로도 으로서 으로써 에게서 이라는 이라고 까지는 부터는 에서 에게 에는 에도 에만
    으로 까지 부터 처럼 이란 이나 이며 이고 로서 로써 로는 라는 보다 하고
    은 는 이 가 을 를 의 에 로 와 과 도 만 나 란
"""
_WITH_PARTICLE: Final = re.compile(f"(.+?)(?:{'|'.join(_PARTICLES.split())})")
# Verbs and adjectives say little without a dictionary of their stems.
_PREDICATE: Final = re.compile(
    "(?:다|[어아해세려네지까예에]요|[하되]는|[하되]고|[하되]면|하며|하여|해서|되어|않은|있고|없고|지만|는데|면서)$"
)
_KOREAN: Final = "수 더 두 한 할 안 못 중 뒤 후 같은 있는 없는 하는 된 될 대한 위한 통해 다시 모든"


def analyze(text: str, *, title: str | None, sure: bool = True) -> Analysis:
    """Analyse `text`, whose paragraphs are separated by blank lines. Raises nothing, whatever the text.

    Where it is not `sure` that these are its characters, nothing is said about the language.
    """
    language = detect_language(text) if sure else UNDETERMINED
    words, counted = _counted(map(str.lower, find_words(text)))
    sentences, paragraphs = count_sentences(text)
    if language in ("zh", "ja"):
        counted = _counted(_unspaced(text, pairs=language == "zh"))[1]
    return Analysis(
        title=title,
        characters=len(text),
        words=words,
        sentences=sentences,
        paragraphs=paragraphs,
        language=language,
        keywords=_keywords(counted, language),
        reading_seconds=math.ceil(words * 60 / _READING_RATES.get(language, _READING_RATE)),
    )


def find_words(text: str) -> Iterator[str]:
    """The words of `text` in order.

    A word is a run of letters, digits and their accents, with the apostrophes, hyphens and decimal points in it; a
    Korean word is what stands between spaces (eojeol). In scripts without spaces there is no telling where a word
    ends: each Chinese or Japanese character counts as one, each unspaced run of another (Thai, Khmer) as one.
    """
    return map(itemgetter(0), _WORD.finditer(text))


def count_sentences(text: str) -> tuple[int, int]:
    """How many sentences and paragraphs `text` has; a paragraph without a full stop (a heading) is one sentence.

    Full stops in numbers, after initials, titles and list numbers end nothing, nor do dots before a lower-case letter.
    A paragraph is what stands between blank lines, and has a letter or digit.
    """
    sentences = paragraphs = within = 0
    letters = any_of_both = False
    for kind in chain(map(attrgetter("lastgroup"), _TOKENS.finditer(text)), ["blank"]):
        if kind == "letters":
            letters = any_of_both = True
        elif kind == "digits":
            any_of_both = True
        else:
            within += letters
            letters = False
            if kind == "blank":
                sentences += max(within, any_of_both)
                paragraphs += any_of_both
                within, any_of_both = 0, False
    return sentences, paragraphs


def _counted(words: Iterator[str]) -> tuple[int, Counter[str]]:
    """How many words there are, and how often each occurs; of too many different ones the rarest are forgotten."""
    total = 0
    counted: Counter[str] = Counter()
    while batch := list(islice(words, _BATCH)):
        total += len(batch)
        counted.update(batch)
        least = 1
        while len(counted) > _MAX_TERMS:
            counted = Counter({word: count for word, count in counted.items() if count > least})
            least *= 2
    return total, counted


def _unspaced(text: str, *, pairs: bool) -> Iterator[str]:
    """Pairs of Han characters stand for words in Chinese, unbroken runs of Han or Katakana in Japanese."""
    for run in map(itemgetter(0), _RUN.finditer(text)):
        if not pairs:
            yield run[:_MAX_LENGTH]
        elif not "\u30a1" <= run <= "\u30ff":
            yield from map("".join, pairwise(run))


def _keywords(counted: Counter[str], language: str) -> list[Keyword]:
    """At most ten, most frequent first, earlier ones first among equals; Korean nouns without their particles."""
    plain: Counter[str] = Counter()
    for word, count in counted.items():
        bare = word.replace("\u2019", "'").removesuffix("'").removesuffix("'s")
        if len(bare) <= _MAX_LENGTH and any(map(str.isalpha, bare)):
            plain[bare] += count
    forms = Counter(form for word in plain for form in {word, _bare(word)})
    terms: Counter[str] = Counter()
    for word, count in plain.items():
        stem = _bare(word)
        # After Latin letters it always is a particle ("API를"); a stem of one syllable has to occur in three forms.
        enough = (2 + (len(stem) == 1)) * bool(_HANGUL_END.search(stem))
        terms[stem if forms[stem] >= enough else word] += count
    stops = {
        *_KOREAN.split(),
        *_PARTICLES.split(),
        *stopwordsiso.stopwords("ko"),
        *stopwordsiso.stopwords([language] if stopwordsiso.has_lang(language) else [*stopwordsiso.langs()]),
    }
    said = ((word, count) for word, count in terms.most_common() if _is_term(word, stops, language))
    return [Keyword(word=word, count=count) for (word, count), _ in zip(said, range(MAX_KEYWORDS), strict=False)]


def _is_term(word: str, stops: set[str], language: str) -> bool:
    if word in stops or (language == "zh" and not stops.isdisjoint(word)):
        return False
    return not _PREDICATE.search(word) if _HANGUL_END.search(word) else len(word) > 1


def _bare(word: str) -> str:
    """A Korean word without the longest particle that it may end with."""
    found = _WITH_PARTICLE.fullmatch(word)
    return found[1] if found else word
