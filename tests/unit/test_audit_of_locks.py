"""`run.py audit`: what is listed, and what it says with and without an answer."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT, free_port


@contextmanager
def service(vulnerable: str | None, *, body: bytes | None = None) -> Iterator[str]:
    """One that knows of a vulnerability of this package, or answers with this body."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            hit = [
                {"vulns": [{"id": "GHSA-x"}]} if f"/{vulnerable}@" in each["package"]["purl"] else {}
                for each in queries
            ]
            answer = json.dumps({"results": hit}).encode() if body is None else body
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def audit(tmp_path: Path, url: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "run.py", "audit", "--output", str(tmp_path / "sbom.json"), "--service", url],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_every_locked_package_is_listed(tmp_path: Path) -> None:
    with service(None) as url:
        done = audit(tmp_path, url)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "Known vulnerabilities: 0"
    document = json.loads((tmp_path / "sbom.json").read_text())
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    lines = (ROOT / "requirements-dev.lock").read_text().splitlines()
    pinned = {line.split(" ")[0] for line in lines if "==" in line and not line.startswith(" ")}
    assert {f"{each['name']}=={each['version']}" for each in document["components"]} == pinned
    scopes = {each["name"]: each["scope"] for each in document["components"]}
    assert (scopes["fastapi"], scopes["psutil"], scopes["pytest"]) == ("required", "optional", "excluded")
    assert all(each["hashes"] for each in document["components"])
    needs = {each["ref"].partition("@")[0]: str(each["dependsOn"]) for each in document["dependencies"]}
    assert "pkg:pypi/kombu@" in needs["pkg:pypi/celery"]
    assert "pkg:pypi/fastapi@" in needs["pkg:pypi/celery-playground"]


def test_what_is_known_is_told(tmp_path: Path) -> None:
    with service("celery") as url:
        done = audit(tmp_path, url)
    assert done.returncode == 1
    assert "celery 5.6.3 (required): GHSA-x" in done.stdout


@pytest.mark.parametrize("body", [None, b"", b"not json", b"[]", b'{"results": []}', b'{"results": 5}'])
def test_without_an_answer_it_does_not_pretend(tmp_path: Path, body: bytes | None) -> None:
    if body is None:
        done = audit(tmp_path, f"http://127.0.0.1:{free_port()}/")
    else:
        with service(None, body=body) as url:
            done = audit(tmp_path, url)
    assert done.returncode == 3
    assert done.stderr.startswith("Nobody could be asked for known vulnerabilities")
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "sbom.json").exists()
