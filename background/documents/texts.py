"""The cache of extracted texts: `DATA_DIR/texts/<key>.json`. Everything in it can be made again."""

import contextlib
import hashlib
import os
import re
import uuid
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from background.documents.extraction import ExtractedText

_KEY: Final = re.compile(r"[0-9a-f]{64}")
_RECIPE: Final = "1"  # raise it when extraction changes: texts of before are then made again


def text_key(sha256: str, media_type: str) -> str:
    """64 hex digits for the text of some content; the same bytes read as another type are another text."""
    return hashlib.sha256(f"{_RECIPE}\n{media_type}\n{sha256}".encode()).hexdigest()


class TextCache:
    """Texts below `folder`, which is made when it is needed. A key that is not 64 hex digits is never a path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, key: str) -> ExtractedText | None:
        """The text under `key`; None when it is absent, damaged, or when `key` cannot be one."""
        if not _KEY.fullmatch(key):
            return None
        try:
            return ExtractedText.model_validate_json(self._path(key).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def write(self, key: str, text: ExtractedText) -> None:
        """Keep `text` under a `key` from `text_key`; readers see all of it or nothing."""
        replace_file(self._path(key), text.model_dump_json().encode())

    def drop(self, key: str) -> None:
        """Forget the text under `key`, if there is one."""
        if _KEY.fullmatch(key):
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"


def make_private(folder: Path) -> None:
    """Make it where it is absent; in either case nobody but its owner may enter."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        with contextlib.suppress(PermissionError):  # it belongs to somebody else, who decides
            folder.chmod(0o700)


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whose folder is made when absent, so that no reader ever sees a part of it."""
    make_private(path.parent)
    beside = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        beside.write_bytes(content)
        os.replace(beside, path)  # noqa: PTH105 - the name says what it does to an existing file
    finally:
        beside.unlink(missing_ok=True)
