"""The version, which stands in `pyproject.toml` alone."""

import tomllib
from importlib import metadata
from pathlib import Path

PROJECT = "celery-playground"
PYPROJECT = Path(__file__).resolve().parent.parent.parent / "pyproject.toml"


def version() -> str:
    """Of the checkout that this runs from, or of the installed distribution; "unknown" where there is neither.

    The checkout comes first: metadata of it that an earlier installation left may be old.
    """
    try:
        project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):
        project = {}
    if project.get("name") == PROJECT:
        return str(project["version"])
    try:
        return metadata.version(PROJECT)
    except metadata.PackageNotFoundError:
        return "unknown"
