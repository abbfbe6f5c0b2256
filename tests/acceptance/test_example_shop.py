"""The example `examples/shop` passes its own tests, as somebody runs them who has only the package."""

import os
import subprocess
import sys

import pytest

from background.settings import KeySettings, Settings
from tests.support import ROOT


@pytest.mark.timeout(400)  # on a busy machine
def test_the_shop_passes_its_own_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*Settings.model_fields, *KeySettings.model_fields):
        monkeypatch.delenv(name.upper(), raising=False)
    shop = ROOT / "examples" / "shop"
    # Not with our own options, which stand further up.
    options = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={shop}"]
    tests = [sys.executable, "-m", "pytest", *options, "."]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(tests, cwd=shop, env=env, capture_output=True, text=True, check=False, timeout=350)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
