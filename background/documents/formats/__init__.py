"""One reader for each kind of file. They may raise anything: `extraction.extract` turns it into `Invalid`."""

from typing import NamedTuple


class Reading(NamedTuple):
    """What a reader found, not yet tidied: `text` with blank lines between paragraphs."""

    title: str | None
    text: str
    pages: int | None = None
