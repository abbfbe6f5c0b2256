"""`python -m background new shop`: a project of one's own that uses this package, made from `template/`."""

import json
import keyword
import re
import shutil
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from background.base import version

TEMPLATE = Path(__file__).parent / "template"
PLACEHOLDER = "your_product"
DOTTED = {"env": ".env", "gitignore": ".gitignore"}
"""What would be hidden, or mean something, where the template lies."""


class CannotMake(Exception):
    """The project cannot be made; the text is one line."""


def make(name: str, parent: Path) -> Path:
    """Make the project `name` in a new directory of that name below `parent`; gives the directory.

    Raises `CannotMake`, and leaves nothing then, for a name that no package can have and for a directory that is there.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,49}", name) or keyword.iskeyword(name):
        raise CannotMake(f"{name!r} cannot be the name of a package: lower-case letters, digits and _, a letter first.")
    project = parent / name
    if project.exists() or project.is_symlink():
        raise CannotMake(f"{project} is there already.")
    if name == "tests" or find_spec(name):
        raise CannotMake(f"There is a module {name!r} already; choose another name.")
    try:
        project.mkdir()
    except OSError as error:
        raise CannotMake(f"{project} cannot be made: {error.strerror}.") from None
    try:
        _fill(project, name)
    except OSError as error:
        shutil.rmtree(project, ignore_errors=True)
        raise CannotMake(f"{project} cannot be written to: {error.strerror}.") from None
    return project


def _fill(project: Path, name: str) -> None:
    for source in sorted(TEMPLATE.rglob("*")):
        path = source.relative_to(TEMPLATE)
        if not source.is_file() or "__pycache__" in path.parts:
            continue
        target = project / str(path.with_name(DOTTED.get(path.name, path.name))).replace(PLACEHOLDER, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text(encoding="utf-8").replace(PLACEHOLDER, name)
        if path.name == "pyproject.toml":
            text = text.replace(f'"{version.PROJECT}"', json.dumps(_requirement()))
        target.write_text(text, encoding="utf-8")


def _requirement() -> str:
    """What brings this very version: by its number, or from where it was installed if that was no index."""
    if version.PYPROJECT.exists():
        return f"{version.PROJECT} @ {version.PYPROJECT.parent.as_uri()}"
    installed = metadata.distribution(version.PROJECT)
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    if "url" not in origin:
        return f"{version.PROJECT}=={installed.version}"
    source = origin.get("vcs_info")
    return f"{version.PROJECT} @ " + (
        f"{source['vcs']}+{origin['url']}@{source['commit_id']}" if source else origin["url"]
    )
