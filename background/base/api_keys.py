"""What an API key is, and how keys are written in `API_KEYS` and in the file that `API_KEYS_FILE` names."""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Literal

LEAST_CHARACTERS = 16
DIGEST = re.compile(r"[0-9a-fA-F]{64}")
SEPARATOR = re.compile(r"[,\n]")


@dataclass(frozen=True)
class ApiKey:
    """Who it is for and what it may do; of the key itself only its SHA-256 is kept."""

    name: str
    role: Literal["read", "write"]
    digest: bytes = field(repr=False)

    def is_that_of(self, digest: bytes) -> bool:
        """Whether a key with this digest is the same, found out in a time that tells nothing."""
        return secrets.compare_digest(self.digest, digest)


def digest_of(key: bytes) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key).digest()


def parse(text: str) -> tuple[ApiKey, ...]:
    """The keys of `name:role:key` or `name:role:sha256:<64 hex>`, with commas or line ends between them; at least one.

    Blank lines, and those that begin with `#`, count for nothing. Raises `ValueError`, whose text has nothing of an
    entry: what was mistaken for a name may be a key.
    """
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    entries = [entry.strip() for entry in SEPARATOR.split("\n".join(lines)) if entry.strip()]
    if not entries:
        raise ValueError("has no key")
    found: list[ApiKey] = []
    for number, entry in enumerate(entries, start=1):
        try:
            key = _parsed(entry)
        except ValueError as error:
            raise ValueError(f"entry {number} {error}") from None
        if any(key.name == each.name or key.digest == each.digest for each in found):
            raise ValueError(f"entry {number} has the name or the key of one before it")
        found.append(key)
    return tuple(found)


def _parsed(entry: str) -> ApiKey:
    name, role, key = [*map(str.strip, entry.split(":", 2)), "", ""][:3]
    if not name or not name.isprintable() or not key or not (key.isascii() and key.isprintable()):
        raise ValueError("is not name:role:key")
    if role not in ("read", "write"):
        raise ValueError("has a role that is neither read nor write")
    kind, _, digest = key.partition(":")
    if kind != "sha256":
        if len(key) < LEAST_CHARACTERS:
            raise ValueError(f"has a key of fewer than {LEAST_CHARACTERS} characters")
        digest = digest_of(key.encode()).hex()
    elif not DIGEST.fullmatch(digest):
        raise ValueError("has no 64 hexadecimal digits behind sha256:")
    return ApiKey(name, "write" if role == "write" else "read", bytes.fromhex(digest))
