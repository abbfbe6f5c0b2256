"""The README says what happens: its examples are run, its code is tried, both languages show the same."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2 as httpx
import pytest

from background.settings import KeySettings, Settings
from tests.support import ROOT, Process, wait_for

READMES = [ROOT / "README.md", ROOT / "README.ko.md"]
UPLOADED = "README.md"

# What differs between two runs. Ids of tasks and numbers of jobs must agree from one example to the next.
VARIABLE = re.compile(
    r"""(?P<cut>…)
    |(?P<task>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})
    |(?P<job>(?:(?<="job_id":)|(?<=/jobs/)|(?<=[Jj]ob\ )|(?<=job-)|(?<=watch\ ))\d+|^\d+(?=\ +demo))
    |(?P<row>(?<="id":)\d+)
    |(?P<time>\d{4}-\d\d-\d\d[T\ ][\d:.]+Z?)
    |(?P<took>\d+\.\d\d(?=\ s\b))
    |(?P<worker>\w+@[\w.-]+)""",
    re.VERBOSE | re.MULTILINE,
)
ANYTHING = {
    "cut": r".*?",
    "task": r"[0-9a-f-]{36}",
    "job": r"\d+",
    "row": r"\d+",
    "time": r"[\d:.TZ -]+",
    "took": r"[\d.]+",
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
            if kind not in ("task", "job"):
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
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", path.read_text(), re.MULTILINE | re.DOTALL)
    return ["\n".join(line.removeprefix(indent) for line in block.splitlines()) for indent, block in found]


def headings(path: Path) -> list[str]:
    """The levels of a file's headings, in order."""
    text = re.sub(r"^ *```.*?^ *```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^#+(?= )", text, re.MULTILINE)


def examples() -> Iterator[Example | Command]:
    """All examples of curl and of the command line, in order."""
    for block in blocks(READMES[0], "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE):
            command, _, shown = part.partition("\n")
            if command.startswith("curl "):
                yield Example(command, shown.rstrip("\n"))
            elif "python -m background" in command and shown:
                yield Command(command, shown.rstrip("\n"))


@pytest.fixture
def _nothing_stays(client: httpx.Client) -> Iterator[None]:
    """The document that the README uploads is no other test's business, whether or not it is removed there."""
    yield
    client.delete(f"/documents/{UPLOADED}")


@pytest.mark.usefixtures("_nothing_stays")
def test_every_example_gives_what_is_shown(client: httpx.Client, worker: Process) -> None:
    names = Names()
    done = 0
    for example in examples():
        assert example.shown, f"no output is shown for: {example.command}"
        example.read(names.translate(example.command))
        told = example.answer(client)
        if example.method == "GET":
            # It may take a moment until it is so.
            wait_for(
                lambda example=example: names.learn(example.shown, example.answer(client).rstrip("\n")),  # type: ignore[misc]
                what=f"{example.command}\n{example.shown}\n(at first: {told[:2000]})\n",
            )
        else:
            assert names.learn(example.shown, told.rstrip("\n")), f"{example.command}\n{example.shown}\n{told}"
        done += 1
    assert done > 25


def test_an_example_must_agree_with_the_ones_before() -> None:
    names = Names()
    one, two = "16696c24-5e77-431e-ad09-455ec97df31d", "05e3ea4a-ab93-40a5-97cb-29d78a94d509"
    assert names.learn(f'{{"job_id":1,"task_id":"{one}",…}}', f'{{"job_id":7,"task_id":"{two}","more":[1]}}')
    assert names.translate(f"localhost:8000/jobs/1/x/{one}") == f"localhost:8000/jobs/7/x/{two}"
    assert names.learn("Job 1 is COMPLETED", "Job 7 is COMPLETED")
    assert not names.learn("Job 1 is COMPLETED", "Job 1 is COMPLETED")
    assert not names.learn(f'["{one}"]', f'["{one}"]')
    assert not names.learn('{"status":"SUCCESS",…}', '{"status":"FAILURE","x":1}')


def test_both_languages_show_the_same() -> None:
    english, korean = READMES
    assert blocks(english) == blocks(korean)
    assert headings(english) == headings(korean)


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)
def test_every_setting_is_told(readme: Path) -> None:
    table = re.search(r"\| `POSTGRES_HOST`.*?\n\n", readme.read_text(), re.DOTALL)
    assert table
    known = {*Settings.model_fields, *KeySettings.model_fields}
    first_cells = re.findall(r"^\|([^|]*)\|", table[0], re.MULTILINE)
    assert sorted(re.findall(r"`([A-Z_]+)`", "".join(first_cells))) == sorted(map(str.upper, known))


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)
def test_what_is_linked_is_there(readme: Path) -> None:
    found = re.findall(r"\]\(([^)#]+)\)|(?:src|srcset)=\"([^\"]+)\"", readme.read_text())
    for target in (link or picture for link, picture in found):
        assert target.startswith("http") or (ROOT / target).exists(), target


def insert(path: Path, *, before: str, code: str) -> None:
    """Put code above the one line that begins so, at its indentation."""
    text = path.read_text()
    (line,) = re.findall(rf"^ *{re.escape(before)}.*$", text, re.MULTILINE)
    indent = line[: len(line) - len(line.lstrip())]
    added = "".join(f"{indent}{each}".rstrip() + "\n" for each in code.splitlines())
    path.write_text(text.replace(line, f"{added}\n{line}", 1))


TRY = """
import inspect
from background.jobs.pipeline import StepContext
from background.jobs.registry import pipelines
from background.task.test_tasks import greet
from background.task_names import CATALOGUE, TaskName

assert greet("Ada") == "Hello, Ada"
assert greet.name == TaskName.GREET
assert list(CATALOGUE[TaskName.GREET].model_fields) == list(inspect.signature(greet.run).parameters)

count, told, outputs = pipelines()["count"], [], {}
for number, (name, step) in enumerate(count.steps.items(), start=1):
    context = StepContext(
        job_id=7, step_number=number, attempt=1, outputs=outputs,
        report=lambda *report: told.append(report), watch=lambda: None,
    )
    outputs[name] = step(context, count.params())
assert outputs == {"tally": 3, "double": 6}
assert told[-1] == (2 / 3, "at 2")
assert context.key == "job-7-step-2"
"""


def test_the_task_and_the_pipeline_that_are_added_work(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "background", tmp_path / "background", ignore=shutil.ignore_patterns("__pycache__"))
    name, task, pipeline = (
        next(block for block in blocks(READMES[0], "python") if part in block)
        for part in ("GREET =", "def greet", "class CountParams")
    )
    constant, model, entry = re.split(r"\n\n(?=class Name|TaskName)", name.rstrip())
    names = tmp_path / "background" / "task_names.py"
    insert(names, before="RUN_JOB =", code=constant)
    insert(names, before="CATALOGUE:", code=model)
    insert(names, before="TaskName.ADD:", code=entry)
    with (tmp_path / "background" / "task" / "test_tasks.py").open("a") as tasks:
        tasks.write(f"\n\n{task}")
    with (tmp_path / "background" / "pipelines.py").open("a") as pipelines:
        pipelines.write(f"\n\n{pipeline}")
    done = subprocess.run([sys.executable, "-c", TRY], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
