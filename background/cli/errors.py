"""How a command ends, and what it says when it could not do what it was asked for."""

from collections.abc import Sequence
from enum import IntEnum
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from background.client.errors import ClientError


class ExitCode(IntEnum):
    """What a script may rely on. 130 is Ctrl-C."""

    OK = 0
    FAILED = 1
    """The job or run that was waited for did not succeed."""
    INVALID = 2
    """The command line or its input cannot be used, by this program's judgement or the API's."""
    NOT_POSSIBLE = 3
    """What was asked for does not exist, or its present state does not allow this."""
    NOT_ALLOWED = 4
    """The API key is missing, unknown, or may not do this."""
    UNAVAILABLE = 5
    """The API cannot be reached, or cannot answer right now."""


class CommandFailed(Exception):
    """Ends a command with `code`; the message and then each of `details` are lines for the user."""

    def __init__(self, message: str, code: ExitCode, *, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.details = tuple(details)


def invalid(message: str) -> CommandFailed:
    """What was typed, or a file that was named, cannot be used."""
    return CommandFailed(message, ExitCode.INVALID)


def failed(error: "ClientError") -> CommandFailed:
    """What the API says, or that it says nothing."""
    from background.client.errors import Refused, Unusable

    if isinstance(error, Refused):
        told = [each for each in error.errors if each.msg not in error.detail]
        details = [f"{'.'.join(map(str, each.loc))}: {each.msg}" for each in told]
        return CommandFailed(error.detail, _code_of(error.status), details=details)
    return CommandFailed(str(error), ExitCode.INVALID if isinstance(error, Unusable) else ExitCode.UNAVAILABLE)


def _code_of(status: int) -> ExitCode:
    if status in (404, 409):
        return ExitCode.NOT_POSSIBLE
    if status in (401, 403):
        return ExitCode.NOT_ALLOWED
    return ExitCode.INVALID if 400 <= status < 500 and status != HTTPStatus.TOO_MANY_REQUESTS else ExitCode.UNAVAILABLE
