"""The API as a user sees it, over HTTP, with the standard library alone."""

import http.client
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from background.local.processes import LocalError


@dataclass(frozen=True, slots=True)
class Client:
    """Sends and receives JSON; proxies of the environment are left aside."""

    host: str
    port: int
    key: str | None = None
    timeout: float = 30

    def get(self, path: str) -> Any:
        """The answer to `GET path`. Raises `LocalError` for anything but a 2xx."""
        return self._ask("GET", path)

    def post(self, path: str) -> Any:
        """The answer to `POST path` without a body. Raises `LocalError` for anything but a 2xx."""
        return self._ask("POST", path)

    def upload(self, path: str, name: str, text: str) -> Any:
        """The answer to `POST path` with `text` as the file `name`. Raises `LocalError` for anything but a 2xx."""
        mark = uuid.uuid4().hex
        head = f'Content-Disposition: form-data; name="file"; filename="{name}"'
        body = f"--{mark}\r\n{head}\r\n\r\n{text}\r\n--{mark}--\r\n"
        return self._ask("POST", path, body.encode(), {"Content-Type": f"multipart/form-data; boundary={mark}"})

    def _ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Any:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        try:
            connection.request(method, path, body, {**(headers or {}), **({"X-API-Key": self.key} if self.key else {})})
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise LocalError(f"{method} {path} got no answer: {error!r}") from None
        finally:
            connection.close()
        if answer.status // 100 != 2:
            raise LocalError(f"{method} {path} was answered with {answer.status}: {text[:500]}")
        return json.loads(text)
