"""What documents say, taken out of them: examples that can be run, blocks, headings, links and anchors."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2 as httpx

from tests.support import ROOT

ENGLISH = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "decisions").glob("*.md")),
]
# Each has the very same blocks as its English original, so that running those is running these.
TRANSLATED = {
    ROOT / "README.ko.md": ROOT / "README.md",
    ROOT / "docs" / "ko" / "tutorial.md": ROOT / "docs" / "tutorial.md",
}
ALSO_READ = [ROOT / name for name in ("SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "AGENTS.md")]
PAGES = [*ENGLISH, *TRANSLATED, *ALSO_READ]

# What differs between two runs. Ids of tasks and numbers of jobs must agree from one example to the next.
VARIABLE = re.compile(
    r"""(?P<cut>…)
    |(?P<task>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})
    |(?P<job>(?:(?<="job_id":)|(?<=/jobs/)|(?<=[Jj]ob\ )|(?<=job-)|(?<=watch\ ))\d+|^\d+(?=\ +demo))
    |(?P<schedule>(?<=/schedules/)\d+|(?<="id":)\d+(?=,"name":))
    |(?P<row>(?<="id":)\d+)
    |(?P<time>\d{4}-\d\d-\d\d[T\ ][\d:.]+Z?)
    |(?P<took>\d+\.\d\d(?=\ s\b))
    |(?P<phrase>Unprocessable\ Entity)
    |(?P<worker>\w+@[\w.-]+)""",
    re.VERBOSE | re.MULTILINE,
)
ANYTHING = {
    "cut": r".*?",
    "task": r"[0-9a-f-]{36}",
    "job": r"\d+",
    "schedule": r"\d+",
    "row": r"\d+",
    "time": r"[\d:.TZ -]+",
    "took": r"[\d.]+",
    "phrase": r"Unprocessable (?:Entity|Content)",  # Python's since 3.13
    "worker": r"\w+@[\w.-]+",
}


@dataclass
class Names:
    """What the ids in the README are called in this run: `task 16696c24-…` or `job 1` to the real one."""

    real: dict[str, str] = field(default_factory=dict)

    def translate(self, text: str) -> str:
        """A command of the README with the real ids; one that no answer has shown stays as it is."""
        return VARIABLE.sub(lambda found: self.real.get(f"{found.lastgroup} {found[0]}", found[0]), text)

    def learn(self, shown: str, answer: str) -> bool:
        """Whether the answer is what is shown, `…` being anything; if so, the ids seen first in it are known."""
        groups: dict[str, str] = {}

        def pattern(found: re.Match[str]) -> str:
            kind, name = str(found.lastgroup), f"{found.lastgroup} {found[0]}"
            if name in self.real:
                return re.escape(self.real[name])
            if kind not in ("task", "job", "schedule"):
                return ANYTHING[kind]
            if name in groups:
                return f"(?P={groups[name]})"
            groups[name] = f"name{len(groups)}"
            return f"(?P<{groups[name]}>{ANYTHING[kind]})"

        pieces, end = [], 0
        for found in VARIABLE.finditer(shown):
            pieces += [re.escape(shown[end : found.start()]), pattern(found)]
            end = found.end()
        pieces.append(re.escape(shown[end:]))
        match = re.fullmatch("".join(pieces), answer, re.DOTALL)
        if match is not None:
            self.real |= {name: match[group] for name, group in groups.items()}
        return match is not None


@dataclass
class Example:
    """One `$ curl …` with the output that is shown for it."""

    command: str
    shown: str
    method: str = "GET"
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    content: str | None = None
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    with_headers: bool = False

    def read(self, command: str) -> "Example":
        """Take the request out of the command line, as curl would; an option that is not known here fails."""
        words = iter(shlex.split(command)[1:])
        method = None
        for word in words:
            match word:
                case "-i":
                    self.with_headers = True
                case "-sN":
                    pass  # how it is shown, not what is asked
                case "-X":
                    method = next(words)
                case "-H":
                    name, _, value = next(words).partition(": ")
                    self.headers[name] = value
                case "-d":
                    self.content = next(words)
                case "-F":
                    name, _, path = next(words).partition("=@")
                    self.files[name] = (path, (ROOT / path).read_bytes())
                case _:
                    assert word.startswith("localhost:8000/"), word
                    self.url = f"http://{word}"
        self.method = method or ("POST" if self.files or self.content is not None else "GET")
        if self.content is not None:
            self.headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        return self

    def answer(self, client: httpx.Client) -> str:
        """Send the request; gives what curl would print."""
        target = httpx.URL(self.url).raw_path.decode()
        answer = client.request(
            self.method, target, headers=self.headers, content=self.content, files=self.files or None
        )
        if not self.with_headers:
            return answer.text
        head = [f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}"]
        head += [f"{name}: {value}" for name, value in answer.headers.items()]
        return "\n".join([*head, "", answer.text])


@dataclass
class Command:
    """One `$ python -m background …` with the output that is shown for it; `echo '…' |` may stand before it."""

    command: str
    shown: str
    method: str = ""

    def read(self, command: str) -> "Command":
        """Take this for the command line."""
        self.command, self.shown = command, self.aligned(self.shown)
        return self

    def answer(self, client: httpx.Client) -> str:
        """Run it; gives what it prints."""
        piped, _, words = self.command.rpartition(" | ")
        done = subprocess.run(
            [sys.executable, *shlex.split(words)[1:]],
            cwd=ROOT,
            env={**os.environ, "PLAYGROUND_URL": str(client.base_url), "PYTHONIOENCODING": "utf-8"},
            input=shlex.split(piped)[1] if piped else "",
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        return self.aligned(done.stdout) + done.stderr

    @staticmethod
    def aligned(text: str) -> str:
        """Columns are as wide as what is in them."""
        return re.sub(r"(?<=\S) +$", "", re.sub(r"(?<=\S) {2,}", "  ", text), flags=re.MULTILINE)


def blocks(path: Path, language: str = r"\w*") -> list[str]:
    """The fenced blocks of a file, in order."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return ["\n".join(line.removeprefix(indent) for line in block.splitlines()) for indent, block in found]


def prose(path: Path) -> str:
    """A file without its fenced blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def headings(path: Path) -> list[tuple[str, str]]:
    """A file's headings, in order: level and text."""
    return re.findall(r"^(#+) +(.+)$", prose(path), re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """What can be linked to in a file, as GitHub and the built pages name it."""
    found: set[str] = set()
    for _, text in headings(path):
        slug = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text).lower()).replace(" ", "-")
        found.add(slug if slug not in found else f"{slug}-1")
    return found


def links(path: Path) -> list[str]:
    """Where a file's links and pictures lead, those to other hosts too."""
    text = re.sub(r"`[^`\n]*`", "", prose(path))
    found = re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"", text)
    return [link or picture for link, picture in found]


def examples(path: Path) -> Iterator[Example | Command]:
    """All examples of curl and of the command line in a file, in order."""
    for block in blocks(path, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE):
            command, _, shown = part.partition("\n")
            if command.startswith("curl "):
                yield Example(command, shown.rstrip("\n"))
            elif "python -m background" in command and shown:
                yield Command(command, shown.rstrip("\n"))
