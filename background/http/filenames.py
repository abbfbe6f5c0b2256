"""The name of an uploaded file, however its client writes it."""

import contextlib
import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import Final
from urllib.parse import unquote_to_bytes

_ENCODED_WORDS: Final = re.compile(r"\s*(?:=\?[\w-]+\?[BbQq]\?[^? ]*\?=\s*)+")
_QUOTED: Final = re.compile(r'"[^"]*"')
_EXTENDED: Final = re.compile(r";\s*filename\*\s*=\s*([\w-]+)'[\w-]*'([^\s;]*)", re.IGNORECASE)


def given_name(filename: str, disposition: str) -> str:
    """The name that a client gave a file: `filename` as the form's parser has it, `disposition` the header in Latin-1.

    A client may write it as `filename*` (RFC 5987, which goes first), in encoded words (RFC 2047, .NET), and in the
    bytes of Windows: what is not UTF-8 is CP949 if it can be. What cannot be decoded stays as it is.
    """
    with contextlib.suppress(LookupError, ValueError, HeaderParseError):
        if extended := _EXTENDED.search(_QUOTED.sub('""', disposition)):
            return unquote_to_bytes(extended[2]).decode(extended[1])
        if _ENCODED_WORDS.fullmatch(filename):
            return str(make_header(decode_header(filename)))
        if not _is_utf8(disposition.encode("latin-1")):
            return filename.encode("latin-1").decode("cp949")
    return filename


def _is_utf8(data: bytes) -> bool:
    try:
        return bool(data.decode() or True)
    except UnicodeDecodeError:
        return False
