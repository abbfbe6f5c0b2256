"""What every command of the client shares: where the API is, how to answer, and how to fail."""

import functools
import inspect
import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Concatenate, ParamSpec

import typer
from rich.console import Console, RenderableType

from background.base.hosts import http_url
from background.cli.bars import can_move
from background.cli.errors import CommandFailed, failed, invalid
from background.cli.text import clean

PLAIN_WIDTH = 160
"""Columns where no terminal says how many there are."""

Url = Annotated[str | None, typer.Option("--url", help="Where the API is; or PLAYGROUND_URL.", show_default=False)]
ApiKey = Annotated[
    str | None, typer.Option("--api-key", help="A key of API_KEYS; or PLAYGROUND_API_KEY.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts: JSON, and nothing else, on standard output.")]


@dataclass(frozen=True)
class Given:
    """What was said about the API so far; the options of a command go before those of the program."""

    url: str | None = None
    api_key: str | None = None
    as_json: bool = False

    def below(self, outer: object) -> "Given":
        """These options, filled up with those that stood before the command's name."""
        if not isinstance(outer, Given):
            return self
        return Given(self.url or outer.url, self.api_key or outer.api_key, self.as_json or outer.as_json)


class Session:
    """One run of a command: its API, and its two ways to answer."""

    def __init__(self, given: Given) -> None:
        self.as_json = given.as_json
        self.out = console(stderr=False)
        self.err = console(stderr=True)
        # Not at the top: who shows help does not wait for it.
        from background.client.api import Api
        from background.client.errors import Unusable

        try:
            # Somebody waits: an API that is away is told at once.
            self.api = Api(given.url or default_url(), given.api_key or None, patience=0)
        except Unusable as error:
            raise invalid(str(error)) from None

    @property
    def live(self) -> bool:
        """Whether somebody watches, so that a display may move."""
        return can_move(self.out) and not self.as_json

    def answer(self, value: Any, render: Callable[[Any], RenderableType]) -> None:
        """The command's one result: as a JSON document, or rendered for a reader."""
        if self.as_json:
            self.line(value)
        else:
            self.out.print(render(value))

    def line(self, value: Any) -> None:
        """One JSON document on a line of its own, in ASCII, so that no terminal or encoding changes it."""
        print(json.dumps(value), flush=True)

    def interrupted(self, reason: str) -> None:
        """Say that a stream is not there for now."""
        self.note(f"{reason.removesuffix('.')}. Trying again for a while.")

    def note(self, text: str) -> None:
        """A remark that is not the result. Beside a display that moves it stands above: there it is not drawn over."""
        shared = self.live and can_move(self.err)
        (self.out if shared else self.err).print(clean(text), markup=False, highlight=False, soft_wrap=True)


P = ParamSpec("P")


def api_command(function: Callable[Concatenate[Session, P], None]) -> Callable[..., None]:
    """A function for typer that has `--url`, `--api-key` and `--json` too, and hands `function` a session.

    What goes wrong as expected is said on standard error, and decides the exit code.
    """
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    keyword = inspect.Parameter.KEYWORD_ONLY
    shared = [
        inspect.Parameter("context", keyword, annotation=typer.Context),
        inspect.Parameter("url", keyword, annotation=Url, default=None),
        inspect.Parameter("api_key", keyword, annotation=ApiKey, default=None),
        inspect.Parameter("as_json", keyword, annotation=AsJson, default=False),
    ]
    parameters = [*(each.replace(kind=keyword) for each in own), *shared]

    @functools.wraps(function)
    def run(context: typer.Context, *, url: str | None, api_key: str | None, as_json: bool, **arguments: Any) -> None:
        context.obj = given = Given(url, api_key, as_json).below(context.obj)
        if context.invoked_subcommand is None:
            _run(given, functools.partial(function, **arguments))

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def _run(given: Given, function: Callable[[Session], None]) -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    from background.client.errors import ClientError

    try:
        function(Session(given))
        # While a closed pipe can still be told from a failure.
        sys.stdout.flush()
    except (CommandFailed, ClientError) as error:
        failure = error if isinstance(error, CommandFailed) else failed(error)
        err = console(stderr=True)
        for line in (str(failure), *(f"  {detail}" for detail in failure.details)):
            err.print(clean(line), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(failure.code) from None


def console(*, stderr: bool) -> Console:
    """A terminal, or lines that are wide enough for a table where there is none."""
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    width = None if terminal else PLAIN_WIDTH
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)


def default_url() -> str:
    """Where `API_HOST` and `API_PORT` say that the API listens."""
    # Not for those who say where it is: this reads all settings.
    from background.settings import get_settings

    try:
        settings = get_settings()
    except SystemExit as error:
        raise invalid(str(error)) from None
    return http_url(settings.api_host, settings.api_port)
