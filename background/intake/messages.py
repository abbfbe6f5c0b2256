"""What a message must be like before kombu and Celery work with it; they take much of it on trust.

Each check gives what is wrong, in a few words, or `None`. Protocols 1 and 2 of task messages:
https://docs.celeryq.dev/en/stable/internals/protocol.html
"""

import logging
import math
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any

from celery.utils.time import maybe_iso8601
from kombu.utils import json
from kombu.utils.encoding import bytes_to_str

logger = logging.getLogger(__name__)

SHOWN = 200
NAME_LENGTH = 1024
LARGEST = 2**63
RETRIES_HEADER = "playground_retries"
"""Header of our own: how often a canvas task is tried again when it fails."""
CONTENT_TYPE = "application/json"
CONTENT_ENCODINGS = {"utf-8", "us-ascii", "ascii", "binary"}


class Unusable(Exception):
    """A message that cannot be worked with; the text says why."""


def dropped(where: str, reason: str) -> None:
    """The one line about a message that is gone: from which queue, channel or key, and why."""
    logger.warning("Dropped what came from %s: %s", shown(where), shown(reason))


def shown(text: object) -> str:
    """A text of others as part of a line: bounded, and without line ends or control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in str(text)[:SHOWN])


def described(error: BaseException) -> str:
    """An error in a few words."""
    if isinstance(error, Unusable):
        return str(error)
    return f"{type(error).__name__}: {error}"


def fault_of_text(data: Any) -> str | None:
    """Whether this is JSON, as kombu reads it."""
    try:
        json.loads(bytes_to_str(data))
    except Exception as error:  # noqa: BLE001 - objects of kombu's own may stand in it, which raise what they like
        return described(error)
    return None


def fault_of_envelope(message: Any) -> str | None:
    """What kombu puts around each message. A compressed one is refused: how large it is shows too late."""
    if not isinstance(message, dict):
        return "it is no object"
    properties, headers = message.get("properties"), message.get("headers") or {}
    if not (isinstance(properties, dict) and isinstance(headers, dict)):
        return "properties or headers is no object"
    info = properties.get("delivery_info")
    if not isinstance(info, dict):
        return "delivery_info is no object"
    checks: list[tuple[str, Any, Check]] = [
        ("delivery_tag", properties.get("delivery_tag"), _is_name),
        ("exchange", info.get("exchange"), _is_text),
        ("routing_key", info.get("routing_key"), _is_text),
        ("priority", properties.get("priority"), _or_none(_is_number)),
        ("reply_to", properties.get("reply_to"), _or_none(_is_name)),
        ("correlation_id", properties.get("correlation_id"), _or_none(_is_name)),
        ("clock", headers.get("clock"), _or_none(_is_count)),
        ("compression", headers.get("compression"), lambda value: not value),
        ("content-type", message.get("content-type"), lambda value: value == CONTENT_TYPE),
        ("content-encoding", message.get("content-encoding"), _is_encoding),
        ("body_encoding", properties.get("body_encoding"), lambda value: value in (None, "base64", "utf-8")),
        ("body", message.get("body"), _is_base64 if properties.get("body_encoding") == "base64" else _is_string),
    ]
    return _first(checks)


def fault_of_task(headers: Mapping[str, Any], body: Any) -> str | None:
    """A task's message: its headers, and its decoded body."""
    # With its task in the headers, Celery reads a body without `args` as that of protocol 2, whatever it is.
    args: Any
    kwargs: Any
    embed: Any
    if isinstance(body, dict) and ("args" in body or "task" not in headers):
        fields = {**body, **headers}
        args, kwargs, embed = body.get("args", []), body.get("kwargs", {}), body
    elif isinstance(body, list) and len(body) == 3:
        fields = dict(headers)
        args, kwargs, embed = body
    else:
        return "its body is neither that of protocol 2 nor that of protocol 1"
    if not isinstance(embed, dict):
        return "what follows it is no object"
    checks = [(name, fields.get(name), check) for name, check in FIELDS.items()]
    checks += [("retries", fields.get("retries", 0), _is_count)]  # where it is null Celery compares it all the same
    checks += [(name, embed.get(name), check) for name, check in FOLLOWERS.items()]
    checks += [("args", args, _is_list), ("kwargs", kwargs, _is_object)]
    return _first(checks)


def fault_of_command(body: Any) -> str | None:
    """A remote control command for workers."""
    if not isinstance(body, dict):
        return "it is no object"
    return _first([(name, body.get(name), check) for name, check in COMMAND.items()])


Check = Callable[[Any], bool]


def _first(checks: list[tuple[str, Any, Check]]) -> str | None:
    return next((f"{name} cannot be {shown(repr(value))}" for name, value, check in checks if not check(value)), None)


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= NAME_LENGTH and value.isprintable()


def _is_name(value: Any) -> bool:
    return bool(value) and _is_text(value)


def _is_string(value: Any) -> bool:
    return isinstance(value, str)


def _is_base64(value: Any) -> bool:
    try:
        return isinstance(value, str) and b64decode(value) is not None
    except ValueError:
        return False


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and abs(value) < LARGEST


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < LARGEST


def _is_encoding(value: Any) -> bool:
    return isinstance(value, str) and value.lower() in CONTENT_ENCODINGS


def _is_moment(value: Any) -> bool:
    try:
        return isinstance(value, str) and 1970 <= maybe_iso8601(value).year < 9999  # type: ignore[union-attr]
    except (ValueError, OverflowError, TypeError, AttributeError):
        return False


def _is_limit(value: Any) -> bool:
    return _is_number(value) and value >= 0


def _are_limits(value: Any) -> bool:
    return _is_list(value) and len(value) == 2 and all(map(_or_none(_is_limit), value))


def _are_names(value: Any) -> bool:
    return _is_list(value) and all(map(_is_name, value))


def _is_retry_limit(value: Any) -> bool:
    """Other programs may send it as text."""
    return _is_count(value) or (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 9)


def _is_signature(value: Any) -> bool:
    return (
        _is_object(value)
        and _is_name(value.get("task"))
        and _is_list(value.get("args", []))
        and all(_is_object(value.get(name, {})) for name in ("kwargs", "options"))
        and _or_none(_is_text)(value.get("subtask_type"))
    )


def _are_signatures(value: Any) -> bool:
    return _is_list(value) and all(map(_is_signature, value))


FIELDS: dict[str, Check] = {
    "task": _is_name,
    "id": _is_name,
    **dict.fromkeys(("root_id", "parent_id", "group"), _or_none(_is_name)),
    **dict.fromkeys(("group_index", "replaced_task_nesting"), _or_none(_is_count)),
    **dict.fromkeys(("argsrepr", "kwargsrepr"), _or_none(_is_string)),
    **dict.fromkeys(("origin", "shadow", "lang", "meth"), _or_none(_is_text)),
    **dict.fromkeys(("eta", "expires"), _or_none(_is_moment)),
    "timelimit": _or_none(_are_limits),
    "ignore_result": _or_none(lambda value: isinstance(value, bool)),
    "stamped_headers": _or_none(_are_names),
    "stamps": _or_none(_is_object),
    RETRIES_HEADER: _or_none(_is_retry_limit),
}
FOLLOWERS: dict[str, Check] = {
    **dict.fromkeys(("callbacks", "errbacks", "chain"), _or_none(_are_signatures)),
    "chord": _or_none(_is_signature),
}
COMMAND: dict[str, Check] = {
    "method": _is_name,
    "arguments": _or_none(_is_object),
    "destination": _or_none(_are_names),
    **dict.fromkeys(("pattern", "matcher", "ticket"), _or_none(_is_text)),
    "reply_to": _or_none(
        lambda value: _is_object(value) and _is_name(value.get("exchange")) and _is_name(value.get("routing_key"))
    ),
}
