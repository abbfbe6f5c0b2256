"""From bytes of an unknown encoding to text."""

import codecs
import re
from collections.abc import Iterator
from operator import itemgetter
from typing import Final

import chardet
import webencodings

from background.documents.extraction import Reading
from background.documents.language import detect_language
from background.documents.naming import refused

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Of what the Standard decodes as one encoding, Python has larger ones: with the euro, and with \u2460 and \u3231.
_LARGER: Final = {"gbk": "gb18030", "euc-jp": "euc_jis_2004"}
_TELLING: Final = re.compile(rb"\x1b[$(]|\x0e|\0")  # sequences that shift, characters of two or four bytes
# What texts are in. With all that chardet knows, rare ones win too often.
_KNOWN: Final = (
    "ascii utf-8 utf-16-le utf-16-be utf-32-le utf-32-be "
    "cp949 johab iso2022_kr cp932 euc_jis_2004 iso2022_jp_2 gb18030 big5hkscs "
    "cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 cp874 "
    "cp737 cp775 cp850 cp852 cp855 cp857 cp862 cp866 cp1125 "
    "iso8859-1 iso8859-2 iso8859-5 iso8859-6 iso8859-7 iso8859-15 koi8-r koi8-u mac-roman mac-cyrillic "
    "cp273 cp500 cp1140"
)
_SAMPLE: Final = 64 * 1024  # bytes; enough to tell encodings apart
_BEFORE: Final = 1024
_CERTAIN: Final = 0.9  # there are no such bytes in another encoding
_MARGIN: Final = 0.003  # by which the best guess is ahead of the next that would be another text

_BEYOND_ASCII: Final = re.compile(rb"[\x80-\xff]")
# Letters of two alphabets in one word: what accents look like in a wrong encoding.
_MIXED: Final = re.compile("(?<=[A-Za-z])(?:[\u0370-\u0e7f]|[\u3040-\ud7ff](?=[A-Za-z]))|[\u0370-\u0e7f](?=[A-Za-z])")
# But for the sign with which files of CP/M and DOS end.
_CONTROLS: Final = re.compile(r"(?!\x1a+\Z)[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x9f]")


def read_plain(data: bytes) -> Reading:
    """A short first line that a blank line follows is the title."""
    read = decode(data)
    first, _, rest = re.sub("\r\n?", "\n", read.text[:1000]).lstrip().partition("\n")
    return read._replace(title=first if len(first) <= 120 and rest.startswith("\n") else None)


def decode(data: bytes, *, declared: str | None = None) -> Reading:
    """The text of `data`, without byte order mark, and the name of its encoding.

    In this order: byte order mark, the encoding that the file declares, what its bytes cannot be otherwise, UTF-8,
    then a guess. A few broken bytes become U+FFFD. Raises `Invalid` when it is no text.
    """
    found = next(_candidates(data, declared), None)
    if found is None or len(_CONTROLS.findall(found.text)) * 100 > len(found.text):
        raise refused("The file is not text in a known encoding.", code="document_encoding")
    return found._replace(text=found.text.replace("\0", ""))  # which no page shows


def _candidates(data: bytes, declared: str | None) -> Iterator[Reading]:
    for mark, codec in _MARKS:
        if data.startswith(mark):
            yield from _tolerant(data, codec)
            return
    label = webencodings.lookup(declared or "")
    if label and label.name not in ("replacement", "x-user-defined"):  # of which nothing can be read
        # A page whose declaration could be read is not in UTF-16, whatever it says.
        codec = "utf-8" if label.name.startswith("utf-16") else _LARGER.get(label.name, label.codec_info.name)
        yield from _tolerant(data, codec)
    if telling := _TELLING.search(data):
        found, confidence, _ = _guesses(_sample(data, telling.start()))[0]
        if confidence > _CERTAIN:
            yield from _tolerant(data, found)
    yield from _tolerant(data, "utf-8")
    if beyond := _BEYOND_ASCII.search(data):
        yield from _guessed(data, _sample(data, beyond.start()))


def _sample(data: bytes, at: int) -> bytes:
    """What stands around the first byte that tells anything, which is in no half of a wide character."""
    start = max(data.rfind(b"\n", 0, at) + 1, at - _BEFORE)
    return data[start - start % 4 :][:_SAMPLE]


def _tolerant(data: bytes, codec: str | None, *, sure: bool = True) -> Iterator[Reading]:
    """The text when no more of its characters beyond ASCII than a few are broken; U+FFFD itself is one as any other."""
    if codec is None:
        return
    text = data.decode(codec, "replace")
    beyond = len(text) - len(text.encode("ascii", "ignore"))
    broken = len(text) - len(data.decode(codec, "ignore")) if "\ufffd" in text else 0
    if broken * 20 <= beyond:
        yield Reading(None, text, encoding=codec, encoding_sure=sure)


def _guessed(data: bytes, sample: bytes) -> Iterator[Reading]:
    """The best guess; sure when a second judge finds the same language in the text, and no other text is as likely."""
    guesses = []
    for guess in _guesses(sample):
        codec = guess[0] or "ascii"
        text = sample.decode(codec, "replace")
        # chardet knows small letters: capitals are as likely as those.
        small = _guesses(text.lower().encode(codec, "replace")) if text.isupper() else []
        guesses.append((*next((each for each in small if each[0] == codec), guess), text))
    guesses.sort(key=itemgetter(1), reverse=True)
    likely, confidence, language, text = next((each for each in guesses if not _is_mixed(each[3])), guesses[0])
    rival = max((each[1] for each in guesses if each[0] and each[3] != text), default=0)
    sure = confidence - rival > _MARGIN and detect_language(text) == language
    yield from _tolerant(data, likely, sure=sure)


def _is_mixed(text: str) -> bool:
    return len(_MIXED.findall(text)) * 2 > len(text) - len(text.encode("ascii", "ignore"))


def _guesses(sample: bytes) -> list[tuple[str | None, float, str | None]]:
    """Encodings, how likely each is, and the language that its text would be in; the likeliest first."""
    found = chardet.detect_all(sample, ignore_threshold=True, include_encodings=_KNOWN.split(), compat_names=False)
    return [(each["encoding"], each["confidence"], each["language"]) for each in found]
