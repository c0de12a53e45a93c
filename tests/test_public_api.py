"""The public API: what is exported, that all of it is documented, and that its two faces are one."""

import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import keepstone as package

ROOT = Path(__file__).resolve().parent.parent

# Looked up by name: what is missing is a failing test here, not an import error.
keepstone: ModuleType = package

if not hasattr(keepstone, "__all__"):
    pytest.skip("the package exports nothing yet", allow_module_level=True)

# What a verb is called or returns in the async face, and its equal in the blocking one.
BLOCKING_EQUALS = {
    "AsyncMemory": "Memory",
    "AsyncIterator": "Iterator",
    "AsyncIterable": "Iterable",
    "AsyncGenerator": "Generator",
    "AsyncContextManager": "ContextManager",
}


def exported() -> dict[str, Any]:
    return {name: getattr(keepstone, name, None) for name in keepstone.__all__}


def faces() -> tuple[type, type]:
    if not {"Memory", "AsyncMemory"} <= set(keepstone.__all__):
        pytest.skip("Memory and AsyncMemory are not exported yet")
    return keepstone.Memory, keepstone.AsyncMemory


def public_members(cls: type) -> dict[str, Any]:
    """Return the public methods and properties that *cls* has from this package, its own or inherited."""
    own = [base for base in reversed(cls.__mro__) if base.__module__.partition(".")[0] == "keepstone"]
    return {
        name: member
        for base in own
        for name, member in vars(base).items()
        if not name.startswith("_") and is_documentable(member)
    }


def is_documentable(member: object) -> bool:
    return inspect.isfunction(member) or isinstance(member, property | classmethod | staticmethod)


def function_of(member: Any) -> Any:
    return getattr(member, "fget", None) or getattr(member, "__func__", member)


def as_blocking(text: str) -> str:
    return re.sub(r"\w+", lambda word: BLOCKING_EQUALS.get(word[0], word[0]), text)


def annotation_text(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return as_blocking(text)


def constructor_rows(cls: type) -> list[tuple[str, str, object, str]]:
    """Return what `signature_rows` says of the `__init__` that *cls* has, its own or inherited."""
    return signature_rows(next(vars(c)["__init__"] for c in cls.__mro__ if "__init__" in vars(c)))


def signature_rows(member: Any) -> list[tuple[str, str, object, str]]:
    """Describe a signature so that a verb and its twin compare equal and a difference is readable."""
    signature = inspect.signature(function_of(member))
    rows = [(p.name, p.kind.name, p.default, annotation_text(p.annotation)) for p in signature.parameters.values()]
    return [*rows, ("return", "", None, annotation_text(signature.return_annotation))]


def documentation(member: Any) -> str:
    return as_blocking(inspect.cleandoc(function_of(member).__doc__ or ""))


def undocumented(name: str, thing: Any) -> Iterator[str]:
    if inspect.isfunction(thing) and not thing.__doc__:
        yield name
    if inspect.isclass(thing):
        doc = vars(thing).get("__doc__") or ""
        # A dataclass without a docstring is given its signature as one.
        if not doc or doc.startswith(f"{thing.__name__}("):
            yield name
        for method, member in public_members(thing).items():
            if not documentation(member):
                yield f"{name}.{method}"


def test_all_is_sorted_and_without_repetition() -> None:
    assert keepstone.__all__
    assert list(keepstone.__all__) == sorted(set(keepstone.__all__))


def test_every_exported_name_can_be_imported() -> None:
    missing = [name for name in keepstone.__all__ if not hasattr(keepstone, name)]
    assert not missing


def test_every_exported_name_is_listed_by_dir() -> None:
    assert set(keepstone.__all__) <= set(dir(keepstone))


def test_every_public_name_is_documented() -> None:
    missing = [place for name, thing in exported().items() for place in undocumented(name, thing)]
    assert not missing, f"without a docstring: {missing}"


def test_the_version_is_the_packaged_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert keepstone.__version__ == project["version"]


def test_both_faces_have_the_same_verbs() -> None:
    blocking, waiting = faces()
    assert sorted(public_members(blocking)) == sorted(public_members(waiting))


def test_both_faces_have_the_same_signatures() -> None:
    blocking, waiting = faces()
    ours, theirs = public_members(blocking), public_members(waiting)
    different = [n for n in ours.keys() & theirs.keys() if signature_rows(ours[n]) != signature_rows(theirs[n])]
    assert not different
    assert [n for n in ours if isinstance(ours[n], property) != isinstance(theirs[n], property)] == []
    assert constructor_rows(blocking) == constructor_rows(waiting)


def test_both_faces_have_the_same_documentation() -> None:
    blocking, waiting = faces()
    ours, theirs = public_members(blocking), public_members(waiting)
    different = [n for n in ours.keys() & theirs.keys() if documentation(ours[n]) != documentation(theirs[n])]
    assert not different


def test_each_verb_waits_in_one_face_only() -> None:
    blocking, waiting = faces()
    for name, member in public_members(blocking).items():
        assert not inspect.iscoroutinefunction(function_of(member)), name
    for name, member in public_members(waiting).items():
        if inspect.isfunction(member):
            wanted = inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member)
            assert wanted, f"AsyncMemory.{name} blocks"


def test_both_faces_are_context_managers() -> None:
    blocking, waiting = faces()
    assert hasattr(blocking, "__enter__")
    assert hasattr(blocking, "__exit__")
    assert hasattr(waiting, "__aenter__")
    assert hasattr(waiting, "__aexit__")
