"""What the broker itself remembers of canvases: whether it is the same one, what was published, how tasks ended."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from background.broker.server import get_client, translated

EPOCH_KEY = "playground.epoch"
PUBLISHED_KEY = "playground.published"
PUBLISHED_SECONDS = 7 * 24 * 3600
ENDS_KEY = "playground.ends"
ENDS_SECONDS = 24 * 3600


def epoch(*, new: str) -> str:
    """A value that stays the same until the broker is emptied or replaced; then it becomes `new`.

    Raises `Unavailable`.
    """
    with translated(), get_client().pipeline(transaction=False) as pipeline:
        pipeline.set(EPOCH_KEY, new, nx=True)
        pipeline.get(EPOCH_KEY)
        _, found = pipeline.execute()
    return found.decode() if isinstance(found, bytes) else new


def note_published(name: str) -> None:
    """Let `published` know that the messages of this run are in the broker's hands. Raises `Unavailable`."""
    with translated():
        get_client().set(f"{PUBLISHED_KEY}.{name}", 1, ex=PUBLISHED_SECONDS)


def published(names: Sequence[str]) -> set[str]:
    """The runs among these of which all messages reached the broker. Raises `Unavailable`."""
    with translated():
        found: Any = get_client().mget([f"{PUBLISHED_KEY}.{name}" for name in names]) if names else ()
    return {name for name, value in zip(names, found, strict=True) if value is not None}


def keep_end(names: Iterable[str], kind: str, text: str | None) -> None:
    """Keep how a task has ended, with its result or error as JSON text, while that cannot be recorded.

    It is found under each of these names. Raises `Unavailable`.
    """
    end = json.dumps([kind, text])
    with translated(), get_client().pipeline(transaction=False) as pipeline:
        pipeline.hset(ENDS_KEY, mapping=dict.fromkeys(names, end))
        pipeline.expire(ENDS_KEY, ENDS_SECONDS)
        pipeline.execute()


def kept_ends(names: Sequence[str]) -> dict[str, tuple[str, str | None]]:
    """The ends that are kept of these tasks. Raises `Unavailable`."""
    with translated():
        found: Any = get_client().hmget(ENDS_KEY, list(names)) if names else ()
    ends = {name: json.loads(value) for name, value in zip(names, found, strict=True) if value is not None}
    return {name: (kind, text) for name, (kind, text) in ends.items()}


def forget_ends(names: Iterable[str]) -> None:
    """These ends are recorded. Raises `Unavailable`."""
    with translated():
        get_client().hdel(ENDS_KEY, *names)
