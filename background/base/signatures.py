"""Signatures of what is sent to others, as Standard Webhooks has them (HMAC-SHA256 of id, time and body).

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac

PREFIX = "whsec_"
"""With which a secret begins whose rest is base64."""


def key_of(secret: str) -> bytes:
    """The bytes that sign: those of the text, or what its base64 stands for behind `PREFIX`. Raises `ValueError`."""
    return (
        base64.b64decode(secret.removeprefix(PREFIX), validate=True) if secret.startswith(PREFIX) else secret.encode()
    )


def signed(id_: str, body: bytes, *, at: int, secret: str) -> dict[str, str]:
    """The headers of a body: its `webhook-id`, `webhook-timestamp` (Unix seconds) and `webhook-signature`.

    `id_` stays the same when it is sent again.
    """
    digest = hmac.new(key_of(secret), f"{id_}.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
