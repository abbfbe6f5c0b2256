"""`background/web/packed` is what a build of the page's sources gives."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from background.web.router import NAMED_BY_CONTENT, PACKED, STATIC
from tests.support import ROOT

CODEMIRROR = STATIC / "vendor" / "codemirror"
NODE = shutil.which("node")
ESBUILD = ROOT / "node_modules" / "esbuild" / "package.json"
LOCKED = json.loads((ROOT / "package.json").read_text())["devDependencies"]["esbuild"]
FORGOTTEN = "the page's sources have changed: python3 run.py pack"


def is_ours(name: str) -> bool:
    """Whether this file of `static` is packed."""
    return re.fullmatch(r"index\.html|(js|css)/.*\.(js|css)", name) is not None


def sources() -> str:
    """The SHA-256 of what the pack is made of, and by what."""
    names = sorted(path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*"))
    hashed = hashlib.sha256()
    for name in ("../pack.mjs", "../target.mjs", *filter(is_ours, names)):
        hashed.update(f"{name}\n".encode())
        hashed.update((STATIC / name).read_bytes())
    return hashed.hexdigest()


def test_the_pack_is_of_these_sources() -> None:
    assert (PACKED / "sources.sha256").read_text().strip() == sources(), FORGOTTEN


def test_names_are_of_the_content_and_the_page_uses_them() -> None:
    html = (PACKED / "index.html").read_text()
    others = {"index.html", "replay.html", "sources.sha256"}
    named = {path.name: path for path in PACKED.iterdir() if path.name not in others}
    at_once = re.findall(r'(?:href|src)="([\w-]+\.(?:js|css))"', html)
    assert {name.partition("-")[0] for name in at_once} == {"boot", "page", "chunk"}
    assert set(at_once) <= set(named)
    # The others are read by those.
    texts = {name: path.read_text() for name, path in named.items()}
    assert all(any(f"./{name}" in text for text in texts.values()) for name in set(named) - set(at_once))
    for name, path in named.items():
        assert NAMED_BY_CONTENT.fullmatch(name)
        kind, _, digest = path.stem.rpartition("-")
        if kind == "boot" or path.suffix == ".css":  # of the others esbuild has the names
            assert hashlib.sha256(path.read_bytes()).hexdigest().startswith(digest)
    assert "js/" not in html
    assert "css/" not in html


def test_a_saved_file_may_run_its_own_script_alone() -> None:
    page = (PACKED / "replay.html").read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    for element, directive in (("script", "script-src"), ("style", "style-src")):
        content = re.search(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
        assert content is not None
        digest = base64.b64encode(hashlib.sha256(content[1].encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy[1]
    assert policy[1].startswith("default-src 'none'; ")
    assert page.count('<script type="application/json" id="record"></script>') == page.count("<title></title>") == 1


def test_all_that_the_start_needs_is_asked_for_at_once() -> None:
    """A module that only another one names would come one round later."""
    html = (PACKED / "index.html").read_text()
    waiting = re.findall(r'(?:href|src)="([\w-]+\.js)"', html)
    for name in waiting:
        imported = re.findall(r'(?:from|^import|;import)"\./([\w-]+\.js)"', (PACKED / name).read_text())
        assert set(imported) <= set(waiting), name
    assert not any("replay-" in name for name in waiting)


BUILT_HERE = pytest.mark.skipif(
    NODE is None or not ESBUILD.exists() or json.loads(ESBUILD.read_text())["version"] != LOCKED,
    reason="the page is packed anew where Node.js and the locked esbuild are: python3 run.py lint installs it",
)


@BUILT_HERE
def test_a_build_gives_the_pack(tmp_path: Path) -> None:
    assert NODE is not None
    subprocess.run([NODE, "background/web/pack.mjs", str(tmp_path / "packed")], cwd=ROOT, check=True, timeout=100)
    built = {path.name: path.read_bytes() for path in (tmp_path / "packed").iterdir()}
    assert built == {path.name: path.read_bytes() for path in PACKED.iterdir()}, FORGOTTEN


def test_codemirror_is_of_the_locked_packages() -> None:
    """What the vendored file says of itself is in the lock; so a forgotten one is noticed without Node.js as well."""
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    first = (CODEMIRROR / "codemirror.js").read_text().splitlines()[0]
    versions = dict(re.findall(r"(@?[\w./-]+) (\d+\.\d+\.\d+)[,;]", first))
    assert len(versions) > 10
    assert {name: locked[f"node_modules/{name}"]["version"] for name in versions} == versions, FORGOTTEN
    licence = (CODEMIRROR / "LICENSE").read_text()
    assert all(re.search(rf"(^|, ){re.escape(name)}[,:]", licence, re.MULTILINE) for name in versions)


@BUILT_HERE
def test_a_build_gives_codemirror(tmp_path: Path) -> None:
    assert NODE is not None
    subprocess.run([NODE, "background/web/vendor.mjs", str(tmp_path / "codemirror")], cwd=ROOT, check=True, timeout=100)
    built = {path.name: path.read_bytes() for path in (tmp_path / "codemirror").iterdir()}
    assert built == {path.name: path.read_bytes() for path in CODEMIRROR.iterdir()}, FORGOTTEN
