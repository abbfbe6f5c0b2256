"""From bytes of an unknown encoding to text."""

import codecs
import re
from typing import Final

import charset_normalizer

from background.documents.naming import FILE
from background.errors import Invalid

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Labels that a page may declare, read as browsers read them (WHATWG Encoding Standard): the older name
# means its superset. A list, because Python also has codecs such as "rot13" and "unicode_escape".
_DECLARED: Final = {
    **dict.fromkeys(("utf-8", "utf8", "utf-16", "utf-16le", "utf-16be"), "utf-8"),
    **dict.fromkeys(("euc-kr", "cp949", "ms949", "uhc", "ksc5601", "ks_c_5601-1987", "windows-949"), "cp949"),
    **dict.fromkeys(("iso-8859-1", "latin1", "latin-1", "us-ascii", "ascii", "windows-1252"), "cp1252"),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j"), "cp932"),
    **dict.fromkeys(("gb2312", "gbk", "gb18030"), "gb18030"),
    **{label: label for label in ("euc-jp", "big5", "koi8-r", "koi8-u", "iso-8859-2", "iso-8859-15")},
    **{f"windows-125{digit}": f"cp125{digit}" for digit in "0134678"},
}
_CANDIDATES: Final = ["cp949", "cp932", "euc_jp", "gb18030", "big5", "cp1251", "koi8_r", "cp1253"]
_SAMPLE: Final = 256 * 1024  # bytes; enough to tell encodings apart, and keeps the guess quick

_HIGH_RUN: Final = re.compile(rb"[\x80-\xff]+")
_COMMON_HANGUL: Final = re.compile(rb"[\xb0-\xc8][\xa1-\xfe]")  # the 2,350 syllables of KS X 1001
_KOREAN_SIGN: Final = re.compile(rb"[\xa1-\xa3][\xa1-\xfe]")  # its punctuation and wide Latin letters
_CONTROLS: Final = re.compile(r"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f-\x9f]")


def decode(data: bytes, *, declared: str | None = None) -> str:
    """The text of `data`, without byte order mark.

    In this order: byte order mark, the encoding that the file declares, UTF-8, Korean (cp949), Western
    European (cp1252), then a guess among East Asian, Cyrillic and Greek encodings. A few broken bytes become
    U+FFFD. Raises `Invalid` when it is no text.
    """
    text = _decoded(data, declared)
    if text is None or "\0" in text or _is_binary(text):
        raise Invalid("The file is not text in a known encoding.", where=FILE)
    return text


def _decoded(data: bytes, declared: str | None) -> str | None:
    for mark, codec in _MARKS:
        if data.startswith(mark):
            return _tolerant(data, codec)
    if b"\0" in data:
        return None
    named = _DECLARED.get((declared or "").strip().lower())
    if named is not None and (text := _tolerant(data, named)) is not None:
        return text
    return _tolerant(data, "utf-8") or _guessed(data)


def _guessed(data: bytes) -> str | None:
    sample = data[:_SAMPLE]
    if _looks_korean(sample) and (text := _tolerant(data, "cp949")) is not None:
        return text
    if not _looks_western(sample):
        best = charset_normalizer.from_bytes(sample, cp_isolation=_CANDIDATES).best()
        if best is not None and (text := _tolerant(data, best.encoding)) is not None:
            return text
    # Five bytes mean nothing in cp1252; latin-1 gives them as controls, which then count as binary.
    return _tolerant(data, "cp1252") or data.decode("latin-1")


def _tolerant(data: bytes, codec: str) -> str | None:
    """The text when at most one in twenty of its characters beyond ASCII is broken, else None."""
    text = data.decode(codec, "replace")
    beyond = len(text) - len(text.encode("ascii", "ignore"))
    return text if text.count("\ufffd") * 20 <= beyond else None


def _is_binary(text: str) -> bool:
    return sum(1 for _ in _CONTROLS.finditer(text)) * 100 > len(text)


def _looks_korean(sample: bytes) -> bool:
    """Whether nearly all double bytes are everyday Hangul.

    Statistical guessers need long texts; this holds for one word as well. Chinese, Japanese and Cyrillic
    bytes fall outside these 2,350 syllables too often; a lone "syllable" between two Latin letters is a pair
    of accented ones ("AÇÃO").
    """
    hangul = other = 0
    for run in _HIGH_RUN.finditer(sample):
        found = len(_COMMON_HANGUL.findall(run[0]))
        if found == 1 and len(run[0]) == 2 and _between_letters(sample, run):
            found = 0
        signs = len(_KOREAN_SIGN.findall(run[0]))
        hangul += found
        other += max(0, (len(run[0]) + 1) // 2 - found - signs)
    return hangul > 0 and hangul * 100 >= (hangul + other) * 85


def _looks_western(sample: bytes) -> bool:
    """Whether bytes beyond ASCII stand singly among Latin letters, as accents do."""
    runs = single = 0
    for run in _HIGH_RUN.finditer(sample):
        runs += 1
        single += len(run[0]) == 1 or (len(run[0]) == 2 and _between_letters(sample, run))
    return single * 100 >= runs * 80


def _between_letters(sample: bytes, run: re.Match[bytes]) -> bool:
    before, after = sample[run.start() - 1 : run.start()], sample[run.end() : run.end() + 1]
    return before.isalpha() and after.isalpha()
