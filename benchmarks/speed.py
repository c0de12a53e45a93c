"""Measures Keepstone's speed, and Mem0's beside it in the same run where that is installed.

    python -m benchmarks.speed [--count 50000] [--markdown] [--peer-python PYTHON --peer-script peer_mem0.py]

Both products do the same steps (workload.py) on the same texts, vectors and queries, each in processes of its own,
one after the other. Every figure is a median over single operations: CPU (user and system, all threads of the
process) and wall time. Ratios are the other product's figure over Keepstone's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
USERS = 100
REOPENINGS = 3
IMPORTS = 7
VERSIONS = "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"

Figures = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what was done, where its figures are, and the least ratio wanted."""

    label: str
    key: str
    bar: float | None = None
    wall_counts: bool = False


@dataclass(slots=True)
class Product:
    """How to run one product, and what it measured."""

    name: str
    python: str
    command: Sequence[str]
    modules: Sequence[str]
    installed: Sequence[str]
    figures: Figures = field(default_factory=dict)


def rows(count: int, removed: int) -> list[Row]:
    """Return the lines of the table, with the bars that were set for 50,000 memories."""
    bulk = f"{count:,} memories"
    found = []
    for users, search, reopen in ((1, 30, 8), (USERS, 200, 20)):
        of = f"{bulk} of {users} user{'s' if users > 1 else ''}"
        found += [
            Row(f"search, {of}", f"{users}/search", search),
            Row(f"search with a metadata `in` filter, {of}", f"{users}/search_in", search),
            Row(f"search, first one in a scope since the fill, {of}", f"{users}/search_first"),
            Row(f"search with a filter, first one in a scope, {of}", f"{users}/search_in_first"),
            Row(f"search straight after an add, {of}", f"{users}/search_after_add"),
            Row(f"first page (20) of `get_all`, {of}", f"{users}/first_page", 200),
            Row(f"reopening and the first search, {of}", f"{users}/reopen", reopen),
            Row(f"`add` of one message, durable, {of}", f"{users}/add", 1, wall_counts=True),
            Row(f"`add` of 100 messages in one call, {of}", f"{users}/add_100", 10, wall_counts=True),
            Row(f"filling, {of}", f"{users}/fill"),
        ]
    return [
        *found,
        Row(f"`delete_all` of one user's {removed:,} memories", "delete/delete_all", 50),
        Row("python start and `import`", "import", 6),
        Row("python start and import of `Memory`", "import_memory"),
    ]


def measure(product: Product, work: str, folder: Path, **numbers: int) -> Figures:
    """Run one part of the work in a process of its own and return its figures."""
    options = [word for name, value in numbers.items() for word in (f"--{name}", str(value))]
    command = [product.python, *product.command, work, "--folder", str(folder), *options]
    done = subprocess.run(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True, check=True)
    results: Figures = json.loads(done.stdout.splitlines()[-1])["results"]
    return results


def environment() -> dict[str, str]:
    """Return the environment of every process that is measured; the other product's telemetry is off."""
    paths = os.pathsep.join(p for p in (str(ROOT), os.environ.get("PYTHONPATH")) if p)
    return {**os.environ, "PYTHONPATH": paths, "MEM0_TELEMETRY": "False"}


def middle(runs: Sequence[Figures], key: str) -> dict[str, Any]:
    """Return the medians of a figure over several runs."""
    return {k: statistics.median(r[key][k] for r in runs) for k in ("cpu_ms", "wall_ms")}


def measure_imports(product: Product) -> Figures:
    """Time fresh interpreters that import the product; the first of each is not counted."""
    module = product.modules[0]
    results: Figures = {}
    for key, code in (("import", f"import {module}"), ("import_memory", f"from {module} import Memory")):
        cpu, wall = [], []
        for _ in range(IMPORTS + 1):
            before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run([product.python, "-c", code], check=True, cwd=ROOT, env=environment())
            wall.append(time.perf_counter() - start)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        results[key] = {
            "cpu_ms": round(statistics.median(cpu[1:]) * 1000, 2),
            "wall_ms": round(statistics.median(wall[1:]) * 1000, 2),
        }
    return results


def report(command: Sequence[str]) -> dict[str, Any]:
    """Return the JSON object that a command prints."""
    result: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return result


def run_all(products: Sequence[Product], folder: Path, arguments: argparse.Namespace) -> None:
    """Measure all products, each part in turn."""
    for users in (1, USERS):
        for product in products:
            place = folder / f"{product.name}-{users}"
            say(f"{product.name}: {arguments.count:,} memories of {users} user(s)")
            part = measure(product, "run", place, count=arguments.count, users=users, queries=arguments.queries)
            reopened = [measure(product, "reopen", place, users=users) for _ in range(REOPENINGS)]
            part["reopen"] = middle(reopened, "reopen")
            product.figures.update({f"{users}/{k}": v for k, v in part.items()})
    for product in products:
        say(f"{product.name}: delete_all, imports")
        removed = measure(product, "delete", folder / f"{product.name}-delete", count=arguments.removed)
        product.figures.update({f"delete/{k}": v for k, v in removed.items()})
        product.figures.update(measure_imports(product))
        product.figures["installed"] = report(
            [product.python, str(ROOT / "benchmarks/installed.py"), *product.installed]
        )


def table(products: Sequence[Product], lines: Sequence[Row]) -> list[list[str]]:
    """Return the cells of the table, head first, with ratios where there are two products."""
    both = len(products) > 1
    head = ["work", *(f"{p.name}: CPU ms (wall)" for p in products)]
    if both:
        head += ["CPU ratio", "wall ratio", "bar", "met"]
    cells_of = [head]
    for line in lines:
        figures = [p.figures[line.key] for p in products]
        cells = [line.label, *(f"{figure(f['cpu_ms'])} ({figure(f['wall_ms'])})" for f in figures)]
        if both:
            cells += verdict(line, figures[0], figures[1])
        cells_of.append(cells)
    return cells_of


def markdown(cells: Sequence[Sequence[str]]) -> list[str]:
    """Return a table in markdown."""
    head, *body = ["| " + " | ".join(line) + " |" for line in cells]
    return [head, "|" + "---|" * len(cells[0]), *body]


def plain(cells: Sequence[Sequence[str]]) -> list[str]:
    """Return a table in columns."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells]


def verdict(line: Row, ours: Mapping[str, float], theirs: Mapping[str, float]) -> list[str]:
    """Return the cells that compare two products: ratios, bar, and whether it is met."""
    cpu = theirs["cpu_ms"] / max(ours["cpu_ms"], 1e-4)
    wall = theirs["wall_ms"] / max(ours["wall_ms"], 1e-4)
    if line.bar is None:
        return [figure(cpu), figure(wall), "", ""]
    met = cpu >= line.bar and (wall >= line.bar or not line.wall_counts)
    bar = f"≥ {line.bar:g}" + (", wall too" if line.wall_counts else "")
    return [figure(cpu), figure(wall), bar, "yes" if met else "**no**"]


def figure(value: float) -> str:
    """Return a number with about three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def summary(products: Sequence[Product], loads: Sequence[tuple[float, float, float]]) -> list[str]:
    """Return what the figures depend on: the machine, its load, versions, sizes of the installs."""
    busiest = ", ".join(f"{load[0]:.1f}" for load in loads)
    lines = [
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; "
        f"load average (1 minute) at start and end: {busiest}.",
    ]
    for product in products:
        found = product.figures["installed"]
        versions = ", ".join(f"{k} {v}" for k, v in versions_of(product).items())
        lines.append(f"{product.name}: {versions}; {found['packages']} packages, {found['megabytes']} MB installed.")
    return lines


def versions_of(product: Product) -> dict[str, str]:
    """Return the versions of what does a product's work, as far as its Python has them as packages."""
    found: dict[str, str] = {}
    for name in product.modules[1:]:
        done = subprocess.run([product.python, "-c", VERSIONS, name], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            found.update(json.loads(done.stdout))
    return found


def say(text: str) -> None:
    """Report progress on standard error."""
    print(text, file=sys.stderr, flush=True)


def parsed() -> argparse.Namespace:
    """Return the command line's arguments."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--count", type=int, default=50_000, help="memories in a store")
    arguments.add_argument("--removed", type=int, default=10_000, help="memories that delete_all removes")
    arguments.add_argument("--queries", type=int, default=20)
    arguments.add_argument("--folder", type=Path, help="where to put the stores (default: a temporary folder)")
    arguments.add_argument("--markdown", action="store_true", help="print the table for docs/benchmarks.md")
    arguments.add_argument("--json", type=Path, help="keep all figures in this file")
    arguments.add_argument("--peer-python", help="a Python that has mem0ai")
    arguments.add_argument("--peer-script", type=Path, help="peer_mem0.py")
    given = arguments.parse_args()
    if (given.peer_python is None) != (given.peer_script is None):
        arguments.error("--peer-python and --peer-script go together")
    return given


def main() -> None:
    given = parsed()
    ours = Product(
        "Keepstone",
        sys.executable,
        ["-m", "benchmarks.speed_keepstone"],
        ["keepstone", "keepstone", "apsw", "numpy", "simsimd"],
        ["keepstone", str(ROOT / "pyproject.toml")],
    )
    products = [ours]
    if given.peer_python:
        script = ["-m", "benchmarks.speed_peer", str(given.peer_script.resolve())]
        modules = ["mem0", "mem0ai", "qdrant-client"]
        products.append(Product("Mem0", given.peer_python, script, modules, ["mem0ai"]))
    loads = [os.getloadavg()]
    with tempfile.TemporaryDirectory(prefix="keepstone-speed-", dir=given.folder) as folder:
        run_all(products, Path(folder), given)
    loads.append(os.getloadavg())
    cells = table(products, rows(given.count, given.removed))
    print("\n".join([*(markdown if given.markdown else plain)(cells), "", *summary(products, loads)]))
    if given.peer_python is None:
        say("No ratios: give --peer-python and --peer-script to measure Mem0 in the same run.")
    if given.json:
        given.json.write_text(json.dumps({p.name: p.figures for p in products}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
