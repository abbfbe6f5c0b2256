"""What an analysis says, without what it takes to make one."""

from typing import Final

from pydantic import BaseModel, NonNegativeInt

MAX_KEYWORDS: Final = 10


class Keyword(BaseModel):
    """A word in lower case, without particles, and how often it occurs."""

    word: str
    count: int


class Analysis(BaseModel):
    """Figures of a text.

    `characters` are code points, white space included; `language` is an ISO 639 code or `und`; `keywords` at most
    ten, most frequent first; `reading_seconds` is how long an adult takes to read it.
    """

    title: str | None
    characters: NonNegativeInt
    words: NonNegativeInt
    sentences: NonNegativeInt
    paragraphs: NonNegativeInt
    language: str
    keywords: list[Keyword]
    reading_seconds: NonNegativeInt
