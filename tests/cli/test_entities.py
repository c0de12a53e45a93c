"""Entities on the command line: listed, merged and split."""

from typing import Any

import pytest

from tests.cli.chat import change, changes, serving
from tests.cli.running import answer, run


def test_entities_are_listed_merged_and_split(monkeypatch: pytest.MonkeyPatch) -> None:
    def named(text: str, name: str, *aliases: str) -> dict[str, Any]:
        return changes(change("add", text, entities=[{"name": name, "type": "person", "aliases": list(aliases)}]))

    with serving(monkeypatch, named("Robert plays the cello.", "Robert"), named("小波住在里昂。", "小波", "波波")):
        assert run("add", "Robert plays the cello.", "-u", "ren").exit_code == 0
        assert run("add", "小波，也就是波波，住在里昂。", "-u", "ren").exit_code == 0
    before = answer("entities", "list", "-u", "ren")
    assert [(e["name"], e["aliases"], e["memories"]) for e in before] == [("Robert", [], 1), ("小波", ["波波"], 1)]
    robert, wave = (e["id"] for e in before)
    shown = run("entities", "merge", wave, robert, "-u", "ren", "--reason", "a nickname")
    assert "Robert (小波, 波波)" in shown.stdout
    assert "merged by cli" in shown.stdout
    (both,) = answer("entities", "list", "-u", "ren")
    assert [(m["id"], m["reason"]) for m in both["merged"]] == [(wave, "a nickname")]
    assert run("entities", "split", wave, "-u", "nobody").exit_code == 1
    assert answer("entities", "split", wave, "-u", "ren") == before[1]
    assert answer("entities", "list", "-u", "ren") == before
    assert run("entities", "list").exit_code == 2
    assert "No memory mentions" in run("entities", "list", "-u", "nobody").stderr
