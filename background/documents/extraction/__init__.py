"""From a stored file to its text: one reader for each kind of file, imported where something is read."""

from typing import NamedTuple

from pydantic import BaseModel, NonNegativeInt


class Reading(NamedTuple):
    """What a reader found, not yet tidied: `text` with blank lines between paragraphs; the rest as in `Facts`."""

    title: str | None
    text: str
    pages: int | None = None
    unread_pages: tuple[int, ...] = ()
    encoding: str | None = None
    encoding_sure: bool = True


class Facts(BaseModel):
    """What is known of a document beside its text.

    `title` is one line of at most 300 characters; `pages` is known for a PDF alone, and `unread_pages` are those
    that were left out, because they are broken; `encoding` is that of text, and where it had to be guessed and may
    be another one, `encoding_sure` is false.
    """

    title: str | None
    characters: NonNegativeInt
    pages: NonNegativeInt | None = None
    unread_pages: list[int] = []
    encoding: str | None = None
    encoding_sure: bool = True


class ExtractedText(NamedTuple):
    """The words, in NFC, never empty, blank lines between paragraphs; and what is known of them."""

    facts: Facts
    text: str
