"""The command line as a process."""

import json
import os
import subprocess
import sys
from typing import Any

from tests.support import ROOT


class Cli:
    """`python -m background` for one API."""

    def __init__(self, url: str) -> None:
        self.env = {**os.environ, "PLAYGROUND_URL": url, "PYTHONIOENCODING": "utf-8"}

    def __call__(self, *words: object, code: int = 0, stdin: str = "", **env: str) -> str:
        """What it prints; fails unless it ends with `code`, and after a problem without any traceback."""
        done = subprocess.run(
            [sys.executable, "-m", "background", *map(str, words)],
            cwd=ROOT,
            env={**self.env, **env},
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        self.problem = done.stderr
        return done.stdout

    def json(self, *words: object, code: int = 0, stdin: str = "") -> Any:
        """The one JSON document that it prints with `--json`."""
        return json.loads(self(*words, "--json", code=code, stdin=stdin))

    def start(self, *words: object) -> subprocess.Popen[str]:
        """The same, not waited for."""
        return subprocess.Popen(
            [sys.executable, "-m", "background", *map(str, words)],
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
