"""The modules of the page stand in rooms, and imports between the rooms point one way."""

import posixpath
import re

import pytest

from background.web.router import STATIC

# From the ground up; a module imports from its own room and from rooms of the lines above.
LAYERS = [
    ["words"],
    ["base"],
    ["page"],
    ["graph", "documents", "charts"],
    ["jobs"],
    ["canvas", "runs", "system", "start", "pipelines", "schedules"],
    ["replay"],
    [""],
]
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
MODULES = {path.relative_to(STATIC / "js").as_posix(): path.read_text() for path in (STATIC / "js").rglob("*.js")}
IMPORT = re.compile(r'(?:^(?:im|ex)port [^;]*?from |^import |import\()"([^"]+)"', re.MULTILINE)


def imports_of(name: str) -> list[str]:
    """The modules of the page that this one imports, by their names."""
    found = [
        posixpath.normpath(posixpath.join(posixpath.dirname(name), each)) for each in IMPORT.findall(MODULES[name])
    ]
    return [each for each in found if not each.startswith("../vendor/")]


def room_of(name: str) -> str:
    """The folder; empty for what starts the page."""
    return posixpath.dirname(name)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_imports_from_below(name: str) -> None:
    rooms = {room_of(each) for each in imports_of(name)} - {room_of(name)}
    assert not [room for room in rooms if RANK[room] >= RANK[room_of(name)]]


def test_every_module_is_reached_from_the_start() -> None:
    assert all(each in MODULES for name in MODULES for each in imports_of(name))
    reached: set[str] = set()
    waiting = ["app.js"]
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting += set(imports_of(name)) - reached
    # Classic scripts, which a page names itself, and what a saved file begins with.
    assert set(MODULES) - reached == {"boot.js", "docs.js", "replay/file.js"}
