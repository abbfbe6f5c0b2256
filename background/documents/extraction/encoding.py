"""From bytes of an unknown encoding to text."""

import codecs
import re
from collections.abc import Iterator
from typing import Final

import charset_normalizer
import stopwordsiso
import webencodings

from background.base.errors import Invalid
from background.documents.extraction import Reading
from background.documents.language import UNDETERMINED, detect_language
from background.documents.naming import FILE

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# In which languages an encoding is written; the empty one stands for all that no other encoding here claims.
_WRITTEN_IN: Final = {
    **dict.fromkeys(("cp1252", "cp850", "mac_roman"), ""),
    **dict.fromkeys(("cp1250", "iso8859_2", "cp852"), "cs sk pl hu sl hr bs ro sq"),
    **dict.fromkeys(("cp1251", "koi8_r", "cp866", "iso8859_5", "mac_cyrillic"), "ru bg sr mk be"),
    **dict.fromkeys(("koi8_u", "cp1251", "cp1125"), "ru uk bg sr mk be"),
    **dict.fromkeys(("cp949", "johab"), "ko"),
    **dict.fromkeys(("cp932", "euc_jp"), "ja"),
    **dict.fromkeys(("gb18030", "big5"), "zh"),
    "cp1253": "el",
    "cp1254": "tr az",
    "cp1255": "he yi",
    "cp1256": "ar fa ur",
    "iso8859_6": "ar fa ur",
    "cp1257": "lt lv et",
    "cp874": "th",
}
_CLAIMED: Final = frozenset(" ".join(_WRITTEN_IN.values()).split())
_WIDE: Final = ("utf_16_le", "utf_16_be", "utf_32_le", "utf_32_be")
_ESCAPED: Final = re.compile(rb"\x1b[$(]|\x0e")
_SAMPLE: Final = 64 * 1024  # bytes; enough to tell encodings apart
_SURE: Final = 0.85
_LIKELY: Final = 0.6
_MARGIN: Final = 0.04
_UNLIKELY: Final = 0.05  # the chaos of what charset-normalizer leaves out

_HIGH_RUN: Final = re.compile(rb"[\x80-\xff]+")
_CONTROLS: Final = re.compile(r"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f-\x9f]")
# Where a wrong encoding puts signs, capitals, vowels of Thai, and a letter that Greek hardly has.
_ODD: Final = re.compile(
    "(?<=[^\\W\\d_])(?:[\u00a4-\u00a9\u00ac\u00ae-\u00b1\u00b4\u00b6\u00b8\u2020-\u2022\u20ac\u2206\u221a\u2260\u25ca]"
    "|[\u00a1-\u00bf\u02c0-\u02df\u2000-\u2fff$%&*+<=>@^|~](?=[^\\W\\d_]))(?<![\u2010-\u2019])"
    "|(?<=[a-z])[\u00c0-\u00de]|(?<![^\\s])[\u0e30-\u0e3a\u0e47-\u0e4e]|[\x80-\x9f\u03b0]|\u00b4(?=[^\\W\\d_])"
)
_LONE_SYLLABLE: Final = re.compile("(?<=[A-Za-z])[\uac00-\ud7a3](?=[A-Za-z])")  # "AÇÃO" in cp949
_COMMON_SYLLABLES: Final = 8


def read_plain(data: bytes) -> Reading:
    """A short first line that a blank line follows is the title."""
    read = decode(data)
    first, _, rest = re.sub("\r\n?", "\n", read.text[:1000]).lstrip().partition("\n")
    return read._replace(title=first if len(first) <= 120 and rest.startswith("\n") else None)


def decode(data: bytes, *, declared: str | None = None) -> Reading:
    """The text of `data`, without byte order mark, and the name of its encoding.

    In this order: byte order mark, the encoding that the file declares, escape sequences, UTF-8, then a guess. A few
    broken bytes become U+FFFD. Raises `Invalid` when it is no text.
    """
    found = next(_candidates(data, declared), None)
    if found is None or "\0" in found.text or len(_CONTROLS.findall(found.text)) * 100 > len(found.text):
        raise Invalid("The file is not text in a known encoding.", where=FILE)
    return found


def _candidates(data: bytes, declared: str | None) -> Iterator[Reading]:
    for mark, codec in _MARKS:
        if data.startswith(mark):
            yield from _tolerant(data, codec)
            return
    if b"\0" in data:
        yield from _wide(data)
        return
    label = webencodings.lookup(declared or "")
    if label and label.name not in ("replacement", "x-user-defined"):  # of which nothing can be read
        # A page whose declaration could be read is not in UTF-16, whatever it says.
        name = "utf-8" if label.name.startswith("utf-16") else label.codec_info.name
        yield from _tolerant(data, name)
    if _ESCAPED.search(data):
        yield from _tolerant(data, "iso2022_kr" if b"\x1b$)C" in data else "iso2022_jp_2", most=0)
    yield from _tolerant(data, "utf-8")
    yield from _guessed(data)


def _tolerant(data: bytes, codec: str, *, sure: bool = True, most: float = 0.05) -> Iterator[Reading]:
    """The text when no more of its characters beyond ASCII than `most` are broken."""
    text = data.decode(codec, "replace")
    beyond = len(text) - len(text.encode("ascii", "ignore"))
    if text.count("\ufffd") <= beyond * most:
        yield Reading(None, text, encoding=codec, encoding_sure=sure)


def _wide(data: bytes) -> Iterator[Reading]:
    """UTF-16 or UTF-32 without a mark: that of which hardly anything is no letter, digit or space."""
    sample = data[: _SAMPLE - _SAMPLE % 4]
    first, second = sample[::2].count(0), sample[1::2].count(0)
    for codec in _WIDE[2:] if min(first, second) * 4 > max(first, second) else _WIDE[:2]:
        text = sample.decode(codec, "replace")
        plain = sum(each.isalnum() or each.isspace() or " " < each < "\x7f" for each in text)
        words = detect_language(text)[0] != UNDETERMINED or len(text.encode("ascii", "ignore")) * 10 > len(text)
        if plain > 0.9 * len(text) and words:
            yield from _tolerant(data, codec)


def _guessed(data: bytes) -> Iterator[Reading]:
    sample = (data[:_SAMPLE].rpartition(b"\n")[0] or data[:_SAMPLE]) if len(data) > _SAMPLE else data
    if syllables := _korean(sample.decode("cp949", "replace")):
        yield from _tolerant(data, "cp949", sure=syllables >= _COMMON_SYLLABLES)
    matches = charset_normalizer.from_bytes(sample, cp_isolation=[*_WRITTEN_IN])
    likely = sorted(_judged(sample, matches), key=lambda each: -each[0])
    if likely and likely[0][0] > _LIKELY:
        score, codec, text = likely[0]
        rivals = (other for other, _, words in likely[1:] if words != text)
        yield from _tolerant(data, codec, sure=score > _SURE and score - next(rivals, 0) > _MARGIN)
    runs = _HIGH_RUN.findall(sample)
    if sum(len(run) <= 2 for run in runs) * 100 >= len(runs) * 80:
        yield from _tolerant(data, "cp1252", sure=False)


def _judged(sample: bytes, matches: charset_normalizer.CharsetMatches) -> Iterator[tuple[float, str, str]]:
    """The encodings whose text is in a language that is written in them; the likeliest has the highest number."""
    chaos = {codec: match.chaos for match in matches for codec in match.could_be_from_charset}
    for codec, languages in _WRITTEN_IN.items():
        text = next((found.text for found in _tolerant(sample, codec)), "")
        language, probability = detect_language(text)
        if language == UNDETERMINED or language not in (languages.split() or {language} - _CLAIMED):
            continue
        odd = len(_ODD.findall(text))
        odd += len(text) * (language == "ko" and not _korean(text))
        beyond = sum(each > "\x7f" for each in text)
        words = [word for word in text.lower().split() if not word.isascii()]
        stops = stopwordsiso.stopwords(language) if stopwordsiso.has_lang(language) else set()
        common = sum(word in stops for word in words) / max(1, len(words))
        yield probability - odd / max(1, beyond) - chaos.get(codec, _UNLIKELY) + min(common, 0.25), codec, text


def _korean(text: str) -> int:
    """How many everyday syllables `text` has (the 2,350 of KS X 1001), where nearly all beyond ASCII is that; else 0.

    Statistical guessers need long texts; this holds for one word as well. Other languages fall outside of these
    syllables too often; a lone one between two Latin letters is a pair of accented ones.
    """
    syllables = re.findall("[\uac00-\ud7a3]", _LONE_SYLLABLE.sub("", text))
    pairs = "".join(syllables).encode("cp949")
    common = sum(first >= 0xB0 and second >= 0xA1 for first, second in zip(pairs[::2], pairs[1::2], strict=True))
    other = sum(each > "\x7f" and (each.isalnum() or each == "\ufffd") for each in text) - common
    rare = len(syllables) - common  # which Windows has, and Chinese never looks like
    is_korean = common >= 3 * rare and common * 100 >= (common + other - rare) * 85
    return common if is_korean else 0
