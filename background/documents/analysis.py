"""What can be said about a text without understanding it."""

import math
from collections import Counter
from typing import Final

from pydantic import BaseModel, ConfigDict, NonNegativeInt

from background.documents.keywords import Keyword, find_keywords
from background.documents.languages import detect_language
from background.documents.words import count_sentences, find_paragraphs, find_words

# Words per minute of silent reading, as `find_words` counts them.
# English non-fiction: Brysbaert 2019, doi:10.1016/j.jml.2019.104047; a fair guess for other alphabets.
_READING_RATE: Final = 238
_READING_RATES: Final = {
    # Eojeol, 10-point print: Rhiu et al. 2017, doi:10.3341/kjo.2016.0042.
    "ko": 202,
    # Characters, read aloud: Trauzettel-Klosinski and Dietz 2012, doi:10.1167/iovs.11-8284.
    "zh": 255,
    "ja": 357,
}


class Analysis(BaseModel):
    """Figures of a text.

    `characters` are code points, white space included; `words`, `sentences` and `paragraphs` as `words`
    counts them; `language` is an ISO 639 code or `und`; `keywords` at most ten, most frequent first;
    `reading_seconds` is how long an adult takes to read it.
    """

    model_config = ConfigDict(frozen=True)

    title: str | None
    characters: NonNegativeInt
    words: NonNegativeInt
    sentences: NonNegativeInt
    paragraphs: NonNegativeInt
    language: str
    keywords: list[Keyword]
    reading_seconds: NonNegativeInt


def analyze(text: str, *, title: str | None) -> Analysis:
    """Analyse `text`, whose paragraphs are separated by blank lines. Raises nothing, whatever the text."""
    words = Counter(word.lower() for word in find_words(text))
    paragraphs = find_paragraphs(text)
    language = detect_language(Counter(text), words)
    total = words.total()
    return Analysis(
        title=title,
        characters=len(text),
        words=total,
        sentences=sum(map(count_sentences, paragraphs)),
        paragraphs=len(paragraphs),
        language=language,
        keywords=find_keywords(words, text, language=language),
        reading_seconds=math.ceil(total * 60 / _READING_RATES.get(language, _READING_RATE)),
    )
