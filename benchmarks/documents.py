"""Documents: the words that are found, beside an independent reader where there is one, and what reading costs.

Precision is how many of our words it has too, recall how many of its words we have. `pdftotext` (poppler) reads PDF,
`pandoc` the rest; what is not installed is left out. Then four uploads of 20 MiB at once, and how long `GET /` takes.
"""

import io
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import docx
import httpx2 as httpx

from background.documents.store import SAMPLES
from benchmarks.hostile import _took
from tests.support import Process, free_port

ROOT = Path(__file__).resolve().parents[1]
MIB = 1024 * 1024
LARGE = 20 * MIB - 64 * 1024
"""No file is larger than what may be uploaded."""
PANDOC = {".html": "html", ".md": "gfm+footnotes", ".docx": "docx"}
PEAK = """
import json, sys, time
from pathlib import Path

def spent():
    status = Path("/proc/self/status").read_text()  # what resource tells begins with the memory of the parent
    return time.process_time(), int(status.partition("VmHWM:")[2].split()[0]) / 1024
"""
PARAGRAPH = "<w:p><w:r><w:t>{}</w:t></w:r></w:p>"
COLUMN = '<w:gridCol w:w="4000"/>'
BOX = """<w:p><w:r><mc:AlternateContent><mc:Choice Requires="wps"><w:drawing><wps:wsp><wps:txbx><w:txbxContent>{0}
</w:txbxContent></wps:txbx></wps:wsp></w:drawing></mc:Choice><mc:Fallback><w:pict><v:shape><v:textbox><w:txbxContent>{0}
</w:txbxContent></v:textbox></v:shape></w:pict></mc:Fallback></mc:AlternateContent></w:r></w:p>"""
READ = f"""{PEAK}
from background.documents.extraction.extract import extract
from background.documents.naming import media_type_of
path = Path(sys.argv[1])
text = extract(path, media_type_of(path.name)).text
peak = spent()
print(json.dumps([text, *peak]))
"""
ANALYZE = f"""{PEAK}
from background.documents.analysis import analyze
analyze(Path(sys.argv[1]).read_text(), title=None)
print(json.dumps(spent()))
"""


def main(scratch: Path) -> None:
    """Print a row for each document, each kind and size, and the uploads."""
    words_found(scratch)
    costs(scratch)
    uploads(scratch)


def words_found(scratch: Path) -> None:
    """Recall and precision."""
    print("document                     words  recall  precision  beside")
    for path in [*sorted(SAMPLES.glob("*")), *(made(scratch, suffix, 200_000) for suffix in MAKERS)]:
        reader, said = independent(path)
        if said is None:
            print(f"{path.name:28} {reader} is not installed")
            continue
        ours, theirs = Counter(words(_python(READ, path)[0])), Counter(words(said))
        both = (ours & theirs).total()
        recall, precision = both / max(1, theirs.total()), both / max(1, ours.total())
        print(f"{path.name:28} {ours.total():5}  {recall:6.3f}  {precision:9.3f}  {reader}")


def costs(scratch: Path) -> None:
    """CPU seconds and megabytes: reading each kind, and analyzing the text, each in a process of its own."""
    print("\nkind         size     read             analyze")
    for suffix in MAKERS:
        for size in (MIB, LARGE):
            path = made(scratch, suffix, size)
            text, seconds, memory = _python(READ, path)
            (scratch / "text").write_text(text)
            spent, held = _python(ANALYZE, scratch / "text")
            sizes = f"{suffix[1:]:11} {path.stat().st_size / MIB:5.1f} MiB"
            print(f"{sizes} {seconds:6.1f} s {memory:5.0f} MiB {spent:6.1f} s {held:5.0f} MiB")


def uploads(scratch: Path) -> None:
    """`GET /` while four documents of 20 MiB are uploaded, read and stored."""
    port = free_port()
    content = made(scratch, ".txt", LARGE).read_bytes()
    process = Process([sys.executable, "-m", "uvicorn", "main:app", "--port", str(port)], log=scratch / "uploads.log")
    try:
        process.wait_for_line("Uvicorn running")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300) as client:
            answers: list[int] = []

            def upload(number: int) -> None:
                files = {"file": (f"bench-{os.getpid()}-{number}.txt", content)}
                answers.append(client.post("/documents", files=files).status_code)

            threads = [threading.Thread(target=upload, args=(number,)) for number in range(4)]
            began = time.monotonic()
            for thread in threads:
                thread.start()
            times = []
            while any(thread.is_alive() for thread in threads):
                times.append(_took(client))
                time.sleep(0.02)
            took, median = time.monotonic() - began, statistics.median(times) * 1000
            print(f"\nfour uploads of 20 MiB at once: {sorted(answers)} after {took:.1f} s; meanwhile GET / took")
            print(f"{median:.1f} ms (median of {len(times)}), {max(times) * 1000:.0f} ms at most")
    finally:
        process.stop()


def words(text: str) -> list[str]:
    """What is compared: letters and digits, whatever stands between them."""
    return re.findall(r"[^\W_]+", text.lower())


def independent(path: Path) -> tuple[str, str | None]:
    """The name of another reader, and what it reads; None where it is not installed."""
    if path.suffix == ".txt":
        return "the file itself", path.read_text()
    if path.stem.endswith("-boxes"):  # of which pandoc reads nothing
        xml = zipfile.ZipFile(path).read("word/document.xml").decode()
        return "its XML", re.sub(r"(?s)<mc:Fallback>.*?</mc:Fallback>|<[^>]+>", " ", xml)
    kind = PANDOC.get(path.suffix)
    command = ["pdftotext", str(path), "-"] if kind is None else ["pandoc", "-f", kind, "-t", "plain", str(path)]
    if shutil.which(command[0]) is None:
        return command[0], None
    return command[0], subprocess.run(command, capture_output=True, text=True, check=True).stdout


def made(scratch: Path, suffix: str, size: int) -> Path:
    """A document of about `size` bytes, of the sentences of a sample."""
    path = scratch / f"made-{size}{suffix}"
    if not path.exists():
        sentences = (SAMPLES / "why-queues.txt").read_text().replace("\n", " ").split(". ")
        path.write_bytes(MAKERS[suffix](sentences, size))
    return path


def _until(size: int, sentences: list[str]) -> list[str]:
    """As many numbered sentences as make `size` characters."""
    found: list[str] = []
    length = 0
    while length < size:
        found.append(f"{sentences[len(found) % len(sentences)]} {len(found)}.")
        length += len(found[-1]) + 2
    return found


def _plain(sentences: list[str], size: int) -> bytes:
    return "\n\n".join(_until(size, sentences)).encode()


def _markdown(sentences: list[str], size: int) -> bytes:
    parts = [f"{'## ' * (number % 9 == 0)}{text}" for number, text in enumerate(_until(size, sentences))]
    return "\n\n".join(part.replace(" the ", " *the* ") for part in parts).encode()[:size]


def _html(sentences: list[str], size: int) -> bytes:
    body = "".join(f"<p>{text.replace(' the ', ' <b>the</b> ')}</p>\n" for text in _until(int(size * 0.87), sentences))
    return f"<!doctype html><meta charset=utf-8><title>Made</title>{body}".encode()[:size]


def _paragraphs(sentences: list[str], size: int) -> bytes:
    texts = "".join(PARAGRAPH.format(text) for text in _until(int(size * 0.7), sentences))
    return _docx(texts)


def _tables(sentences: list[str], size: int) -> bytes:
    """One table of two columns."""
    cells = [f"<w:tc>{PARAGRAPH.format(text)}</w:tc>" for text in _until(int(size * 0.6), sentences)]
    rows = (f"<w:tr>{one}{other}</w:tr>" for one, other in zip(cells[::2], cells[1::2], strict=False))
    return _docx(f"<w:tbl><w:tblGrid>{2 * COLUMN}</w:tblGrid>{''.join(rows)}</w:tbl>")


def _boxes(sentences: list[str], size: int) -> bytes:
    """Text boxes, each written twice: for Word of today, and for older ones."""
    return _docx("".join(BOX.format(PARAGRAPH.format(text)) for text in _until(int(size * 0.17), sentences)))


def _docx(texts: str) -> bytes:
    """Of about as much XML, which packs to a tenth."""
    empty = io.BytesIO()
    docx.Document().save(empty)
    out = io.BytesIO()
    with zipfile.ZipFile(empty) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as copy:
        for part in source.infolist():
            content = source.read(part)
            if part.filename == "word/document.xml":
                content = content.replace(b"<w:body>", b"<w:body>" + texts.encode())
            copy.writestr(part.filename, content)
    return out.getvalue()


def _pdf(sentences: list[str], size: int) -> bytes:
    """At most 4,900 pages; what is not text to fill `size` is a picture that no page shows."""
    lines = [line.encode() for line in _until(min(size, 12_000_000), sentences)]
    step = max(40, len(lines) // 4_900 + 1)
    pages = [lines[at : at + step] for at in range(0, len(lines), step)]
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"", b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    for page in pages:
        shown = b"".join(b"(%s)' " % re.sub(rb"([()\\])", rb"\\\1", line) for line in page)
        content = zlib.compress(b"BT /F 6 Tf 8 TL 20 780 Td %s ET" % shown, 0)
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 900 800]/Contents %d 0 R/Resources<</Font<</F 3 0 R>>>>>>"
            % (len(objects) + 2)
        )
        objects.append(b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(content), content))
    kids = b" ".join(b"%d 0 R" % (4 + 2 * number) for number in range(len(pages)))
    objects[1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(pages), kids)
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    objects.append(
        b"<</Length %d>>stream\n%s\nendstream" % (fill := max(0, size - sum(map(len, objects))), bytes(fill))
    )
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(out))
    return bytes(out) + b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + table + trailer


MAKERS: dict[str, Callable[[list[str], int], bytes]] = {
    ".txt": _plain,
    ".md": _markdown,
    ".html": _html,
    ".pdf": _pdf,
    ".docx": _paragraphs,
    "-tables.docx": _tables,
    "-boxes.docx": _boxes,
}


def _python(code: str, path: Path) -> list:  # type: ignore[type-arg]  # what the code prints
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout))
