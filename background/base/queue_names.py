"""The names of queues: of Celery, in which jobs wait for the workers that serve them."""

import re
from typing import Any

QUEUE = "celery"
"""The queue of whatever names none: Celery's own default."""
QUEUE_RULE = (
    "the name of a queue must be 1 to 100 letters, digits and . : _ -, begin with a letter or digit, and not as keys in"
    " Redis do that are taken (celery., celery-, celeryev, unacked, playground.)"
)
# No comma, which stands between the queues behind `-Q`, and nothing that cannot stand in an address.
_PATTERN = re.compile(r"(?!celery[.-]|celeryev|unacked|playground\.)[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")


def is_queue(name: Any) -> bool:
    """Whether jobs may have a queue of this name (`QUEUE_RULE`)."""
    return isinstance(name, str) and _PATTERN.fullmatch(name) is not None
