"""What is installed, and what is known against it: `python3 run.py audit`. Standard library alone.

Writes the packages of the lock files as an SBOM (CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/), then asks OSV
(https://google.github.io/osv.dev/post-v1-querybatch/) for known vulnerabilities of these very versions. The exit code
is 0 where there are none, 1 where there are some, 3 where nobody could be asked.
"""

import argparse
import http.client
import json
import re
import sys
import tomllib
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# Each holds all of the one before; a package's scope is that of the first that has it.
LOCKS = {"requirements.lock": "required", "requirements-local.lock": "optional", "requirements-dev.lock": "excluded"}
OSV = "https://api.osv.dev/v1/querybatch"
SECONDS = 30
FOUND, NOT_ASKED = 1, 3


@dataclass
class Package:
    """One locked package, and the names of those that brought it in."""

    name: str
    version: str
    scope: str
    hashes: list[str] = field(default_factory=list)
    via: set[str] = field(default_factory=set)

    @property
    def purl(self) -> str:
        """Its name for all tools: https://github.com/package-url/purl-spec."""
        return f"pkg:pypi/{self.name}@{self.version}"


def locked(root: Path = ROOT) -> list[Package]:
    """All packages of the locks; one may be there in several versions, each for other Pythons."""
    found: dict[tuple[str, str], Package] = {}
    for lock, scope in LOCKS.items():
        package = None
        for line in (root / lock).read_text(encoding="utf-8").splitlines():
            if start := re.match(r"([\w.-]+)==([^\s;\\]+)", line):
                package = found.setdefault((start[1], start[2]), Package(start[1], start[2], scope))
            elif package and (sha256 := re.search(r"--hash=sha256:(\w+)", line)):
                package.hashes += [] if sha256[1] in package.hashes else [sha256[1]]
            elif package and (via := re.match(r" +# +(?:via )?([\w.-]+)$", line)):
                package.via |= {via[1]} - {"via"}
    return list(found.values())


def sbom(packages: list[Package], root: Path = ROOT) -> dict[str, Any]:
    """The document: every package with its hashes, and who needs whom. The same locks give the same document."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    own = f"pkg:pypi/{project['name']}@{project['version']}"
    names = {package.name for package in packages}
    needs: dict[str, list[str]] = {own: [each.purl for each in packages if not each.via & names]}
    for package in packages:
        needs[package.purl] = [each.purl for each in packages if package.name in each.via]
    component = {"type": "application", "name": project["name"], "version": project["version"], "bom-ref": own}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**component, "purl": own}},
        "components": [
            {
                "type": "library",
                "bom-ref": package.purl,
                "name": package.name,
                "version": package.version,
                "scope": package.scope,
                "purl": package.purl,
                "hashes": [{"alg": "SHA-256", "content": content} for content in package.hashes],
            }
            for package in packages
        ],
        "dependencies": [{"ref": ref, "dependsOn": needed} for ref, needed in needs.items()],
    }


def known_against(packages: list[Package], service: str) -> list[list[str]]:
    """The ids of the vulnerabilities of each, as OSV knows them. Raises `OSError` or `ValueError` without an answer."""
    queries = [{"package": {"purl": package.purl}} for package in packages]
    request = urllib.request.Request(  # noqa: S310 - the service is ours to choose
        service, json.dumps({"queries": queries}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
        results = json.load(answer)["results"]
    if len(results) != len(packages):
        raise ValueError("it answered about other packages")
    return [[str(each["id"]) for each in result.get("vulns", [])] for result in results]


def main() -> int:
    """Write the document, ask, and tell; gives the exit code."""
    parser = argparse.ArgumentParser(prog="run.py audit", description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / ".local" / "sbom.cdx.json", help="where the SBOM goes")
    parser.add_argument("--service", default=OSV, help="an OSV service")
    arguments = parser.parse_args()
    packages = locked()
    arguments.output.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(sbom(packages), indent=1) + "\n", encoding="utf-8")
    print(f"{len(packages)} packages: {arguments.output}")
    try:
        found = known_against(packages, arguments.service)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, http.client.HTTPException) as error:
        reason = " ".join(str(getattr(error, "reason", error)).split())
        print(f"Nobody could be asked for known vulnerabilities ({arguments.service}: {reason}).", file=sys.stderr)
        return NOT_ASKED
    for package, ids in zip(packages, found, strict=True):
        for each in ids:
            print(
                f"{package.name} {package.version} ({package.scope}): {each}, see https://osv.dev/vulnerability/{each}"
            )
    print(f"Known vulnerabilities: {sum(map(len, found))}")
    return FOUND if any(found) else 0


if __name__ == "__main__":
    sys.exit(main())
