"""`documents`: what is stored, and the canvases that work on it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from background.cli import tables
from background.cli.canvas import Wait, started
from background.cli.errors import invalid
from background.cli.session import Session, api_command
from background.cli.text import clean
from background.documents.naming import normal


def _normal(given: str | list[str] | None) -> str | list[str] | None:
    return [normal(name) for name in given] if isinstance(given, list) else given and normal(given)


Name = Annotated[str, typer.Argument(help="As listed.", show_default=False, callback=_normal)]
Names = Annotated[
    list[str] | None, typer.Argument(help="All documents if omitted.", show_default=False, callback=_normal)
]


def add_to(app: typer.Typer) -> None:
    """Give `app` the group of these commands; by itself it lists the documents."""
    group = typer.Typer(invoke_without_command=True, help="The stored documents, and what can be done with them.")
    group.callback()(api_command(documents))
    for function in (add, get, delete, analyze, report):
        group.command()(api_command(function))
    app.add_typer(group, name="documents", rich_help_panel="Canvas and documents")


def documents(session: Session) -> None:
    """List the stored documents, or do something with them."""
    session.answer(session.api.get("/documents"), tables.documents_table)


def add(
    session: Session,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", show_default=False)],
) -> None:
    """Store files under their own names: plain text, Markdown, HTML, PDF, DOCX."""
    contents = [(normal(file.name), _read(file)) for file in files]
    stored = []
    try:
        for name, content in contents:
            stored.append(session.api.upload("/documents", name=name, content=content))
    finally:
        if stored:  # also before one that was refused
            session.answer(stored, tables.documents_table)


def get(
    session: Session,
    *,
    name: Name,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file to write it to.", show_default=False)
    ] = None,
) -> None:
    """Download a document as it is, to standard output if nothing else is said."""
    content = session.api.download(_path(name))
    if output is not None:
        try:
            output.write_bytes(content)
        except OSError as error:
            raise invalid(f"{output} cannot be written: {error.strerror}.") from None
    elif sys.stdout.isatty():
        try:
            print(clean(content.decode(), lines=True))
        except UnicodeDecodeError:
            raise invalid("It is no text for a terminal; name a file with --output.") from None
    else:
        sys.stdout.buffer.write(content)


def delete(session: Session, name: Name) -> None:
    """Remove a document. Reports stay."""
    session.api.delete(_path(name))
    session.answer({"deleted": name}, lambda _: f"{clean(name)} is removed.")


def analyze(session: Session, *, names: Names = None, wait: Wait = False) -> None:
    """Analyze one document in a chain, or several side by side in a group."""
    path = f"{_path(names[0])}/analyze" if names and len(names) == 1 else "/documents/analyze"
    body = {"documents": names} if names and len(names) > 1 else None
    started(session, session.api.post(path, body), wait=wait)


def report(session: Session, *, names: Names = None, wait: Wait = False) -> None:
    """Analyze documents side by side, then merge what was found into one report: a chord."""
    started(session, session.api.post("/documents/report", {"documents": names} if names else None), wait=wait)


def _path(name: str) -> str:
    from background.client.exchange import quoted

    return f"/documents/{quoted(name)}"


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise invalid(f"{file} cannot be read: {error.strerror}.") from None
