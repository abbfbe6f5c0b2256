"""`python3 run.py fuzz`: generated requests against a real API, with no key, a key that reads and one that writes.

All checks of schemathesis, each operation alone and one after the other (stateful); exit code 1 if any finds something.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support import running_api, running_worker
from tests.throwaway import throwaway_servers

READ, WRITE = "reader-of-everything", "writer-of-everything"
KEYS = f"reader:read:{READ},writer:write:{WRITE}"
ENDLESS = "events$"
"""Event streams have no end; tests of their own read them."""

BEYOND_THE_SCHEMA = "positive_data_acceptance"
"""No schema can say which tasks there are and what they take, or that a text has no NUL: such a request is refused."""


def fuzz(url: str, key: str | None, *, examples: int, seed: int, phases: str) -> int:
    """One run of schemathesis with this key; gives its exit code."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--url", url]
    command += ["--max-examples", str(examples), "--seed", str(seed), "--phases", phases, "--continue-on-failure"]
    command += ["--exclude-checks", BEYOND_THE_SCHEMA]
    command += ["--exclude-path-regex", ENDLESS, "--generation-database", "none", "--no-color"]
    # Its own document needs the key as well.
    command += ["--header", f"X-API-Key: {key}"] if key else []
    return subprocess.run(command, cwd=tempfile.gettempdir(), check=False).returncode


def main() -> None:
    """Start what is needed, then one run for each kind of client."""
    parser = argparse.ArgumentParser(prog="run.py fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=3000, help="how many requests for each operation at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--phases", default="examples,fuzzing,stateful", help="coverage takes an hour")
    given = parser.parse_args()
    with throwaway_servers() as scratch:
        logs = Path(scratch)
        with (
            running_api(logs / "keyed.log", env={"API_KEYS": KEYS}) as keyed,
            running_api(logs / "open.log") as anybody,
            running_worker(logs / "worker.log"),
        ):
            clients = ((anybody, None), (keyed, READ), (keyed, WRITE))
            codes = [
                fuzz(str(api.base_url).rstrip("/"), key, examples=given.examples, seed=given.seed, phases=given.phases)
                for api, key in clients
            ]
    sys.exit(max(codes))


if __name__ == "__main__":
    main()
