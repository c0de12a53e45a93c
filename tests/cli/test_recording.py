"""`keepstone eval record`, `gates` and the check of a recording, with a model behind real HTTP on this machine."""

import json
from pathlib import Path

import pytest

from keepstone.chat import ChatReply, ChatRequest
from keepstone.evaluation.recordings import read_recording
from keepstone.testing import ChatServer
from tests.cli.running import answer, run
from tests.evaluation.dialogues import write_pack
from tests.evaluation.oracle import Oracle, scenarios

MODEL = "openai:gpt-5-mini"
RECORDS = [r for r in scenarios("en") if r.id in ("home-en", "crafts-en")]


@pytest.fixture
def pack(tmp_path: Path) -> str:
    return str(write_pack(tmp_path / "small.jsonl", *(r.raw for r in RECORDS)))


def rightly(request: ChatRequest) -> ChatReply:
    return Oracle(RECORDS).answer(request)


def record(pack: str, out: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Record with a model that answers rightly; return how often it was asked."""
    with ChatServer(rightly) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        result = run("eval", "record", pack, "--model", MODEL, "--out", str(out))
        assert result.exit_code == 0, result.output
        return len(server.model.calls)


def test_what_was_recorded_passes_the_gates_without_the_model(
    pack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "replies.jsonl"
    asked = record(pack, out, monkeypatch)
    assert asked == len(read_recording(out)) == 6
    assert record(pack, out, monkeypatch) == 0

    checked = answer("eval", "check", str(out))
    assert checked["passed"]
    assert sum(row["replies"] for row in checked["replies"]) == 6
    assert {(row["prompt"], row["model"]) for row in checked["replies"]} == {("single_pass/1/en", MODEL)}

    gates = run("eval", "gates", pack, "--recording", str(out))
    assert gates.exit_code == 0, gates.output
    verdicts = {cells[0]: line for line in gates.stdout.splitlines() if (cells := line.split())}
    assert "passed" in verdicts["fresh"]
    assert "not measured" in verdicts["forgotten"]
    document = answer("eval", "gates", pack, "--recording", str(out))
    assert not document["failed"]
    assert {g["verdict"] for g in document["gates"]} == {"passed", "not measured"}


def test_a_missed_bar_ends_with_1(pack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "replies.jsonl"
    with ChatServer(lambda request: {"changes": []}) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert run("eval", "record", pack, "--model", MODEL, "--out", str(out)).exit_code == 0
    gates = run("eval", "gates", pack, "--recording", str(out))
    assert gates.exit_code == 1
    assert "FAILED" in gates.stdout


def test_without_a_recording_nothing_is_passed(pack: str) -> None:
    gates = run("eval", "gates", pack)
    assert gates.exit_code == 0
    assert "passed" not in gates.stdout
    assert gates.stdout.count("not measured") == 8
    assert "0 passed, 0 failed, 8 not measured (no recording)" in " ".join(gates.stderr.split())


def test_a_miss_ends_with_1_and_the_way_out(pack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "replies.jsonl"
    record(pack, out, monkeypatch)
    other = write_pack(tmp_path / "other.jsonl", next(r for r in scenarios("zh") if r.id == "home-zh").raw)
    missed = run("eval", "gates", str(other), "--recording", str(out))
    assert missed.exit_code == 1
    assert f"keepstone eval record PACK --model {MODEL} --out" in " ".join(missed.stderr.split())


def test_a_dry_run_asks_nothing_and_says_what_it_would_cost(pack: str, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.jsonl"
    dry = run("eval", "record", pack, "--dry-run", "--model", MODEL, "--out", str(prompts))
    assert dry.exit_code == 0, dry.output
    lines = [json.loads(line) for line in prompts.read_text(encoding="utf-8").splitlines()]
    assert [(p["record"], p["session"]) for p in lines] == [(r.id, s.id) for r in RECORDS for s in r.sessions]
    said = " ".join(dry.stderr.split())
    tokens = sum(p["tokens"] for p in lines)
    assert f"6 sessions, 6 calls, about {tokens} tokens of input" in said
    assert "as if nothing were known" in said
    assert f"{MODEL} would cost about 0.0" in said
    assert "is not known" in run("eval", "record", pack, "--dry-run", "--model", "ollama:qwen3").stderr
    shown = run("eval", "record", pack, "--dry-run").stdout
    assert [json.loads(line) for line in shown.splitlines()] == lines


def test_a_broken_recording_is_named(pack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "replies.jsonl"
    record(pack, out, monkeypatch)
    lines = out.read_text(encoding="utf-8").splitlines(keepends=True)
    old = lines[0].replace("single_pass/1/en", "single_pass/0/en")
    out.write_text("".join([*lines, lines[1], "{}\n", old]), encoding="utf-8")
    checked = run("eval", "check", str(out))
    assert checked.exit_code == 1
    said = " ".join(checked.stderr.split())
    for fault in ("line 7: the key", "line 8: not a line of a recording", "line 9: 'key' is not that", "3 faults"):
        assert fault in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["record"],
        ["record", "--model", MODEL],
        ["record", "--out", "replies.jsonl"],
        ["record", "nothing.jsonl", "--dry-run"],
        ["gates", "--recording", "nothing.jsonl"],
        ["check", "nothing.jsonl"],
    ],
)
def test_what_is_missing_is_said(arguments: list[str]) -> None:
    refused = run("eval", *arguments)
    assert refused.exit_code == 2, refused.output
    assert "Error: " in refused.stderr
