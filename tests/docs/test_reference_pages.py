"""Tables in the documentation that list what the code has: every limit, error, operator, field and command is there."""

import dataclasses
import inspect
import re
from pathlib import Path

import pytest
import typer.main

import keepstone
from keepstone import AsyncMemory, Limits, errors, filters
from keepstone.cli import app
from keepstone.server.configuring import NAMES
from keepstone.server.settings import Settings

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_every_limit_is_listed_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", page("limits-and-errors.md"), re.MULTILINE))
    assert {name: int(value.replace(",", "")) for name, value in rows.items()} == dataclasses.asdict(Limits())


def test_every_error_stands_in_the_tree() -> None:
    tree = page("limits-and-errors.md").partition("```text\n")[2].partition("```")[0]
    listed = re.findall(r"^[│├└ ]*(\w+)", tree, re.MULTILINE)
    classes = [n for n, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert sorted(listed) == sorted(classes)


@pytest.mark.parametrize("name", [*filters.OPERATORS, *filters.FIELDS])
def test_every_operator_and_field_of_filters_is_named(name: str) -> None:
    assert f"`{name}`" in page("filters.md")


def test_every_command_is_listed() -> None:
    listed = re.findall(r"^\| \[`([a-z]+)`\]", page("cli.md"), re.MULTILINE)
    assert sorted(listed) == sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def test_every_setting_of_a_server_is_listed_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \| ([^|]+) \|$", page("server.md"), re.MULTILINE)
    listed = {name: (shown.strip().strip("`"), says) for name, shown, says in rows if name in NAMES}
    assert tuple(listed) == NAMES
    for setting in dataclasses.fields(Settings):
        assert listed[setting.name] == (as_shown(setting.default), setting.metadata["says"])


def as_shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value == () else str(value)


def test_every_verb_has_its_place_in_the_guide() -> None:
    headings = set(re.findall(r"\w+", " ".join(re.findall(r"^## (.+)$", page("guide.md"), re.MULTILINE))))
    verbs = {n for n, member in inspect.getmembers(AsyncMemory, inspect.isfunction) if not n.startswith("_")}
    assert verbs <= headings


def test_results_are_listed_with_all_their_fields() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `[^|]+\| (.+) \|$", page("guide.md").partition("## Results")[2], re.MULTILINE)
    listed = {name: set(re.findall(r"`(\w+)`", fields)) for name, fields in rows if not fields.startswith("[see")}
    assert {"AddResult", "Distillation", "Reextraction", "MemoryRecord", "Change"} <= listed.keys()
    missing = {n: {f.name for f in dataclasses.fields(getattr(keepstone, n))} - listed[n] for n in listed}
    assert not {name: fields for name, fields in missing.items() if fields}


def test_every_link_between_pages_leads_somewhere() -> None:
    root = DOCS.parent
    for path in [*root.glob("*.md"), *DOCS.glob("*.md")]:
        text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([\w-]+))?\)", text):
            there = path if not target else path.parent / target
            # Written by whoever measures.
            if there.name == "benchmarks.md" and not there.exists():
                continue
            assert there.exists(), f"{path.name} links to {target}"
            assert not anchor or anchor in anchors(there), f"{path.name} links to {target}#{anchor}"


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_walks_through_the_code_name_what_is_there() -> None:
    package = DOCS.parent / "src" / "keepstone"
    rows = re.findall(r"^\| `([\w/]+\.py)` \| ([^|]+) \|", (DOCS.parent / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert rows
    for file, names in rows:
        code = (package / file).read_text(encoding="utf-8")
        for name in re.findall(r"`([\w.]+)`", names):
            kinds = [f"class {name.split('.')[0]}\\b"] if "." in name else []
            for pattern in [*kinds, rf"def {name.split('.')[-1]}\("]:
                assert re.search(pattern, code), f"{file} has no {name}"
