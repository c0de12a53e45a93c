"""Gold memories: what counts as saying one, and how a record ended."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from keepstone.errors import InvalidRequestError
from keepstone.evaluation.endings import deleted_turns, forgotten_gone, still_holding, still_true_current
from keepstone.evaluation.gold import (
    Comparison,
    Tally,
    gold_memories,
    kept_script,
    retired_memories,
    script,
)
from keepstone.evaluation.pack import Record, record_of
from keepstone.results import AddResult, Distillation, FactChange
from keepstone.types import Action, Kind, MemoryRecord, Scope, Status
from tests.evaluation.oracle import scenarios

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EN = {r.id: r for r in scenarios("en")}
ZH = {r.id: r for r in scenarios("zh")}


def fact(text: str, *sources: str, status: Status = Status.CURRENT, kind: Kind = Kind.FACT) -> MemoryRecord:
    return MemoryRecord(
        id=text,
        text=text,
        kind=kind,
        scope=Scope(user_id="user"),
        status=status,
        revision=1,
        sequence=1,
        metadata={},
        sources=sources,
        created_at=NOW,
        updated_at=NOW,
    )


def said(record: Record) -> dict[str, str]:
    return {t.id: t.text for t in record.turns}


@pytest.mark.parametrize(
    ("record", "text", "sources", "found"),
    [
        (EN["home-en"], "The user has lived in a Bruges flat since June 2025.", ["s3:0"], True),
        (EN["home-en"], "User lives in a flat in Bruges over a bakery.", ["s3:2"], True),
        (EN["home-en"], "User lives in a flat in Bruges over a bakery.", ["s1:0"], False),
        (EN["home-en"], "User prefers silence.", ["s3:2"], False),
        (EN["home-en"], "User sold the boat.", ["s3:2"], False),
        (ZH["home-zh"], "用户从2025年7月起租住在厦门。", ["s3:0"], True),
        (ZH["home-zh"], "用户在厦门沙坡尾租房。", ["s3:2"], True),
        (ZH["home-zh"], "用户喜欢听渡轮。", ["s3:2"], False),
    ],
)
def test_a_memory_says_a_gold_one_by_words_and_day(record: Record, text: str, sources: list[str], found: bool) -> None:
    gold = next(g for g in gold_memories(record) if g.sources == ("s3:0",))
    assert Comparison(record).says(fact(text, *sources), gold) is found


def test_only_what_is_distilled_and_current_counts_as_found() -> None:
    record = EN["home-en"]
    gold, comparison = gold_memories(record), Comparison(record)
    right = fact(gold[0].text, "s3:0")
    assert comparison.found(gold, [right]) == Tally(good=1, count=2)
    assert comparison.found(gold, [replace(right, status=Status.SUPERSEDED)]).good == 0
    assert comparison.found(gold, [replace(right, kind=Kind.EPISODE)]).good == 0


def test_an_outdated_statement_is_gone_when_nothing_current_says_it() -> None:
    record = EN["home-en"]
    gold, retired, comparison = gold_memories(record), retired_memories(record), Comparison(record)
    old = fact(retired[0].text, "s1:0")
    assert comparison.gone(retired, gold, [old]).good == 0
    assert comparison.gone(retired, gold, [replace(old, status=Status.SUPERSEDED)]).good == 1
    # A return says the old thing again, and is current.
    choir = EN["choir-en"]
    back = fact("User's choir rehearses on Thursdays in the chapel again.", "s1:0", "s3:0")
    assert Comparison(choir).gone(retired_memories(choir), gold_memories(choir), [back]).good == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我用 VS Code 写代码。", "han"),
        ("I ate 饺子 with my aunt.", "other"),
        ("東京へ行きます", "kana"),
        ("12:30", ""),
        ("Ａｌｉｃｅ", "other"),
        ("Москва", "other"),
    ],
)
def test_scripts(text: str, expected: str) -> None:
    assert script(text) == expected


def test_a_translated_memory_does_not_keep_its_script() -> None:
    record = ZH["home-zh"]
    kept = fact("用户住在厦门。", "s3:0")
    assert kept_script([kept], said(record)) == Tally(good=1, count=1)
    translated = fact("User lives in Xiamen.", "s3:0")
    episode = fact("unrelated words", "s3:0", kind=Kind.EPISODE)
    assert kept_script([kept, translated, episode], said(record)) == Tally(good=1, count=2)


def test_both_of_a_pair_must_hold() -> None:
    record = EN["crafts-en"]
    first, second = fact("a", "s1:0"), fact("b", "s3:0")
    assert still_true_current(record, [first, second]) == Tally(good=1, count=1)
    over = replace(first, status=Status.SUPERSEDED)
    assert still_true_current(record, [over, second]).good == 0
    # Its episode does not stand in for a statement that is over.
    assert still_true_current(record, [over, second, fact("said", "s1:0", kind=Kind.EPISODE)]).good == 0
    assert still_true_current(record, [second, fact("said", "s1:0", kind=Kind.EPISODE)]).good == 1


def test_what_was_forgotten_leaves_no_memory_of_any_kind() -> None:
    record = EN["locker-en"]
    assert forgotten_gone(record, [fact("other", "s2:0")]) == Tally(good=1, count=1)
    assert forgotten_gone(record, [fact("code", "s1:0", kind=Kind.EPISODE)]).good == 0
    assert forgotten_gone(record, [fact("code", "s1:0", status=Status.SUPERSEDED)]).good == 0


def test_what_still_holds_is_counted_without_what_was_replaced_or_forgotten() -> None:
    record = EN["home-en"]
    memories = [fact("now", "s3:0"), fact("Pieter", "s2:0"), fact("then", "s1:0", status=Status.SUPERSEDED)]
    assert still_holding(record, memories, set()) == Tally(good=2, count=2)
    assert still_holding(record, memories[:1], set()) == Tally(good=1, count=2)
    wrong = [memories[0], replace(memories[1], status=Status.SUPERSEDED), fact("said", "s2:0", kind=Kind.EPISODE)]
    assert still_holding(record, wrong, set()) == Tally(good=1, count=2)
    assert still_holding(record, memories, {"s2:0"}) == Tally(good=1, count=2)


def test_a_turn_counts_as_deleted_when_a_model_took_its_memory_back() -> None:
    def change(action: Action, *sources: str) -> FactChange:
        return FactChange(
            action=action, memory_id="f", kind=Kind.FACT, text="", change_id=action.value, sources=sources
        )

    def added(*changes: FactChange) -> AddResult:
        done = Distillation(status="done", changes=changes)
        return AddResult(memories=(), messages=(), duplicates=(), batch_id="b", distilled=done)

    assert deleted_turns([added(change(Action.ADD, "s1:0")), added(change(Action.SUPERSEDE, "s1:0"))]) == set()
    assert deleted_turns([added(change(Action.ADD, "s1:0")), added(change(Action.DELETE, "s3:0"))]) == {"s1:0"}


def test_gold_memories_of_another_form_are_refused() -> None:
    raw = {"id": "r", "language": "en", "sessions": [], "questions": []}
    for wrong in ("text", ["text"], [{"id": "g"}], [{"text": "x", "source": ["s9:9"]}]):
        with pytest.raises(InvalidRequestError, match="gold_memories"):
            gold_memories(record_of({**raw, "gold_memories": wrong}))
