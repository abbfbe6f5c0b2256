"""The README says what happens: its curl examples are run, and both languages show the same."""

import json
import re
import shlex
from pathlib import Path

import httpx2 as httpx
import pytest

from background.settings import Settings
from tests.support import ROOT, Process, wait_for

READMES = [ROOT / "README.md", ROOT / "README.ko.md"]
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
NOWHERE = "00000000-0000-4000-8000-000000000000"


def blocks(path: Path, language: str = "") -> list[str]:
    """The fenced blocks of a file, in order."""
    found = re.findall(rf"^ *```{language}.*?\n(.*?)^ *```", path.read_text(), re.MULTILINE | re.DOTALL)
    return [block.strip() for block in found]


def examples() -> list[tuple[str, str]]:
    """Each `$ curl …` with the output shown for it."""
    found = []
    for block in blocks(READMES[0], "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE):
            command, _, output = part.partition("\n")
            if command.startswith("curl") and output.strip():
                found.append((command, output.strip()))
    return found


def request_of(command: str, *, job_id: int, task_id: str) -> httpx.Request:
    """The request that a curl command makes, with the ids of this run."""
    method, headers, content, files, url = "GET", {}, None, {}, ""
    words = iter(shlex.split(command)[1:])
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "-d":
            content = next(words)
        elif word == "-F":
            method = "POST"
            field, _, value = next(words).partition("=")
            if value.startswith("@"):
                files[field] = (value[1:], (ROOT / value[1:]).read_bytes())
        else:
            url = word
    url = re.sub(r"/jobs/\d+", f"/jobs/{job_id}", url)
    if NOWHERE not in url:
        url = UUID.sub(task_id, url)
    return httpx.Request(method, f"http://{url}", headers=headers, content=content, files=files or None)


def normal(text: str) -> str:
    """The text without what differs between two runs."""
    text = UUID.sub("UUID", text)
    return re.sub(r'"(job_id|id)":\d+', r'"\1":0', text)


def matches(shown: str, answered: str) -> bool:
    """Whether the answer is what is shown, where `…` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in normal(shown).split("…"))
    return re.fullmatch(pattern, normal(answered), re.DOTALL) is not None


def test_every_example_gives_what_is_shown(client: httpx.Client, worker: Process) -> None:
    job_id, task_id = 1, NOWHERE
    assert len(examples()) > 20
    for command, shown in examples():
        request = request_of(command, job_id=job_id, task_id=task_id)
        request.url = client.base_url.join(request.url.raw_path.decode())
        answer = client.send(request)
        if request.method == "GET":

            def look(shown: str = shown, url: httpx.URL = request.url) -> bool:
                return matches(shown, client.get(url).text)

            wait_for(look, what=f"{command}\n{shown}\n(it was: {answer.text[:3000]})")
        else:
            assert matches(shown, answer.text), f"{command}\n{shown}\n{answer.text}"
        body = json.loads(answer.text)
        if answer.status_code in (201, 202) and isinstance(body, dict):
            job_id, task_id = body.get("job_id", job_id), body.get("task_id", task_id)


def test_both_languages_show_the_same() -> None:
    english, korean = READMES
    assert blocks(english) == blocks(korean)
    shapes = [re.findall(r"^#+(?= )", re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL), re.MULTILINE)
              for path in READMES]  # fmt: skip
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)
def test_every_setting_is_told(readme: Path) -> None:
    table = re.search(r"\| `POSTGRES_HOST`.*?\n\n", readme.read_text(), re.DOTALL)
    assert table
    assert set(re.findall(r"`([A-Z_]+)`", table[0])) == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)
def test_what_is_linked_is_there(readme: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", readme.read_text()):
        assert target.startswith("http") or (ROOT / target).exists(), target


def test_the_examples_for_tasks_and_pipelines_work() -> None:
    from background.jobs.pipeline import Pipeline

    code = next(block for block in blocks(READMES[0], "python") if "CountParams" in block)
    names: dict[str, object] = {}
    exec("from background.pipelines import *\nfrom background.jobs.pipeline import *\n" + code, names)  # noqa: S102
    count = names["count"]
    assert isinstance(count, Pipeline)
    assert list(count.steps) == ["tally", "double"]
