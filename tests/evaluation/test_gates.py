"""Quality gates: what is measured, what fails, and that nothing is passed that was not measured."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from keepstone.chat import ChatReply, ChatRequest
from keepstone.errors import ConfigError, ProviderError
from keepstone.evaluation import gates as holding
from keepstone.evaluation.gates import BARS, Gate
from keepstone.evaluation.ingesting import record_packs, taken_in
from keepstone.evaluation.pack import Pack
from keepstone.evaluation.recordings import RecordingChatModel, ReplayingChatModel, read_recording
from keepstone.evaluation.rehearsing import UnknowingChatModel, rehearse
from keepstone.testing import HashingEmbedder, ScriptedChatModel
from tests.evaluation.oracle import Change, Oracle, scenarios

EMBEDDER = HashingEmbedder()
NAMES = [b.name for b in BARS]


def pack(language: str, *names: str) -> Pack:
    """Some of our scenarios, or all of them."""
    return Pack(
        name=language, records=tuple(r for r in scenarios(language) if not names or r.id.split("-")[0] in names)
    )


SMALL = pack("en", "home", "crafts", "locker")


def verdicts(found: list[Gate]) -> dict[str, str]:
    return {g.name: g.verdict for g in found}


def recorded(path: Path, given: Pack = SMALL) -> Path:
    record_packs([given], EMBEDDER, RecordingChatModel(Oracle(given.records), path))
    return path


def test_without_a_recording_every_gate_says_that_it_was_not_measured() -> None:
    found = holding.unmeasured(["a", "b"])
    assert [(g.pack, g.name) for g in found] == [(p, n) for p in ("a", "b") for n in NAMES]
    assert {g.verdict for g in found} == {"not measured"}
    assert all(g.figure is None and g.reason for g in found)
    assert not holding.failed(found)


@pytest.mark.parametrize("given", [SMALL, pack("zh", "job", "crafts", "door")], ids=["en", "zh"])
def test_recorded_replies_that_are_right_pass_every_gate(tmp_path: Path, given: Pack) -> None:
    path = recorded(tmp_path / "replies.jsonl", given)
    found = holding.gates([given], ReplayingChatModel(path), EMBEDDER)
    assert verdicts(found) == dict.fromkeys(NAMES, "passed"), found
    assert all(g.count > 0 for g in found)


def test_replies_that_change_nothing_fail_what_they_should(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    silent = ScriptedChatModel(lambda request: {"changes": []})
    record_packs([SMALL], EMBEDDER, RecordingChatModel(silent, path))
    found = verdicts(holding.gates([SMALL], ReplayingChatModel(path), EMBEDDER))
    assert found["gold found"] == "FAILED"
    assert found["script kept"] == "not measured"
    # Nothing was learned, so nothing was lost either.
    assert found["recall"] == found["wrongly retired"] == found["still true"] == "passed"


def test_a_model_that_replaces_what_still_holds_is_found_out() -> None:
    class Replacing(Oracle):
        def changes(self, shown: str) -> Iterator[Change]:
            known = re.search(r"^\[(k\d+)\] .* User binds books", shown, re.MULTILINE)
            for change in super().changes(shown):
                if known is not None and "spoons" in change["text"]:
                    change |= {"op": "supersede", "target": known[1]}
                yield change

    found = {g.name: g for g in holding.measure(SMALL, Replacing(SMALL.records), EMBEDDER)}
    assert found["wrongly retired"].verdict == found["still true"].verdict == "FAILED"
    assert found["wrongly retired"].figure == 1


def test_another_pack_than_the_recorded_one_fails_with_the_way_out(tmp_path: Path) -> None:
    path = recorded(tmp_path / "replies.jsonl")
    with pytest.raises(ProviderError, match="keepstone eval record"):
        holding.gates([pack("zh", "home")], ReplayingChatModel(path), EMBEDDER)


def test_a_recording_goes_on_where_it_stopped_and_is_the_same(tmp_path: Path) -> None:
    whole = recorded(tmp_path / "whole.jsonl")
    part = tmp_path / "part.jsonl"
    broken = ScriptedChatModel(_failing_after(2, Oracle(SMALL.records)), name="oracle")
    with pytest.raises(ProviderError, match="down"):
        record_packs([SMALL], EMBEDDER, RecordingChatModel(broken, part))
    assert len(read_recording(part)) == 2
    resumed = RecordingChatModel(Oracle(SMALL.records), part)
    record_packs([SMALL], EMBEDDER, resumed)
    assert len(resumed.kept) == 2
    assert read_recording(part).keys() == read_recording(whole).keys()


def _failing_after(count: int, oracle: Oracle) -> Callable[[ChatRequest], ChatReply]:
    asked: list[ChatRequest] = []

    def answer(request: ChatRequest) -> ChatReply:
        asked.append(request)
        if len(asked) > count:
            raise ProviderError("oracle", "it is down", retryable=False)
        return oracle.answer(request)

    return answer


def test_a_rehearsal_writes_the_first_prompt_of_each_session_and_counts_the_rest() -> None:
    found = rehearse([SMALL], EMBEDDER)
    assert [(p.record, p.session) for p in found.prompts] == [(r.id, s.id) for r in SMALL.records for s in r.sessions]
    assert found.sessions == found.calls == 9
    assert found.input_tokens == sum(p.tokens for p in found.prompts)
    for prompt, session in zip(found.prompts, (s for r in SMALL.records for s in r.sessions), strict=True):
        line = json.loads(prompt.line())
        assert line["prompt"] == prompt.request.prompt
        for turn in session.turns:
            assert f": {turn.text}" in line["messages"][-1]["content"]
        assert "[k1]" not in line["messages"][-1]["content"]


def test_the_first_prompt_of_a_record_is_the_one_that_is_recorded(tmp_path: Path) -> None:
    replies = read_recording(recorded(tmp_path / "replies.jsonl")).values()
    firsts = [p for p in rehearse([SMALL], EMBEDDER).prompts if p.session == "s1"]
    assert {json.loads(p.line())["input"] for p in firsts} <= {r.input_hash for r in replies}
    assert {p.request.prompt for p in firsts} <= {r.prompt for r in replies}


def test_a_pack_without_anything_to_say_is_no_recording(tmp_path: Path) -> None:
    record = SMALL.records[0]
    quiet = replace(record, sessions=tuple(replace(s, turns=()) for s in record.sessions))
    recorder = RecordingChatModel(UnknowingChatModel(), tmp_path / "replies.jsonl")
    with pytest.raises(ConfigError, match="nothing to record"):
        record_packs([Pack(name="quiet", records=(quiet,))], EMBEDDER, recorder)


def test_a_record_broken_off_leaves_no_store_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sessions = taken_in(SMALL.records[0], EMBEDDER, UnknowingChatModel())
    next(sessions)
    assert list(tmp_path.iterdir())
    sessions.close()
    assert not list(tmp_path.iterdir())
