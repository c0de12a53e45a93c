"""Counts the packages that installing one distribution brings, and their size, in the running Python.

    python benchmarks/installed.py NAME [PYPROJECT]

With PYPROJECT, its dependencies stand for those of NAME, which itself need not be installed. Only the standard
library: it also runs in the environment of another product. Extras are not followed; pip and setuptools count only
if something requires them. Prints one JSON object.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path


def canonical(name: str) -> str:
    """Return a distribution's name in its normal form."""
    return re.sub(r"[-_.]+", "-", name).lower()


def required(lines: list[str]) -> list[str]:
    """Return the names that requirement lines ask for, extras left out."""
    names = []
    for line in lines:
        wanted, _, marker = line.partition(";")
        found = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", wanted)
        if found and "extra" not in marker:
            names.append(found[1])
    return names


def closure(names: list[str]) -> dict[str, Distribution]:
    """Return *names* and all that they need, as far as installed: what a marker excludes is not there."""
    found: dict[str, Distribution] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if canonical(name) in found:
            continue
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue
        found[canonical(name)] = package
        waiting += required(package.requires or [])
    return found


def size(package: Distribution) -> int:
    """Return the bytes of a distribution's files, compiled modules left out."""
    paths = [Path(str(package.locate_file(f))) for f in package.files or [] if not str(f).endswith(".pyc")]
    return sum(p.stat().st_size for p in paths if p.is_file())


def main() -> None:
    name = sys.argv[1]
    if len(sys.argv) > 2:
        pyproject = Path(sys.argv[2])
        packages = closure(required(tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["dependencies"]))
        packages.pop(canonical(name), None)
        source = pyproject.parent / "src" / name
        own = sum(p.stat().st_size for p in source.rglob("*") if p.is_file() and p.suffix != ".pyc")
        count, total = len(packages) + 1, own + sum(map(size, packages.values()))
    else:
        packages = closure([name])
        count, total = len(packages), sum(map(size, packages.values()))
    print(json.dumps({"packages": count, "megabytes": round(total / 1e6, 1), "names": sorted(packages)}))


if __name__ == "__main__":
    main()
