"""What laying out the graph of a run costs, by the page's own modules in Node.js (`layout.mjs`)."""

import shutil
import subprocess
from pathlib import Path


def main(_scratch: Path) -> None:
    """Print the time for graphs of 1,000 tasks of several shapes."""
    node = shutil.which("node")
    if node is None:
        print("layout      left out: Node.js 20 or newer is not installed")
        return
    subprocess.run([node, str(Path(__file__).with_suffix(".mjs"))], check=True)
