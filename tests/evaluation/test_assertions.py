"""Assertion files: what they may say, how answers are judged, and that what people wrote is kept."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone import AsyncMemory, Hit, Kind, MemoryRecord, Scope, Span, Status
from keepstone.errors import InvalidRequestError
from keepstone.evaluation.asserting import check, judge
from keepstone.evaluation.assertions import Assertion, load, parse
from keepstone.evaluation.proposing import extend, proposal, select, write
from keepstone.testing import InMemoryStore

SCOPE = '[scope]\nuser = "ann"\n'
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def memory_record(text: str, id: str = "m1", role: str = "user", importance: float = 0.5) -> MemoryRecord:
    return MemoryRecord(
        id=id,
        text=text,
        kind=Kind.EPISODE,
        scope=Scope(user_id="ann"),
        status=Status.CURRENT,
        revision=1,
        sequence=1,
        metadata={},
        role=role,
        sources=(f"msg-{id}",),
        created_at=NOW,
        updated_at=NOW,
        importance=importance,
    )


def found(*texts: str) -> list[Hit]:
    return [
        Hit(
            id=f"m{n}",
            text=text,
            score=1 / n,
            span=Span(start=0, end=len(text)),
            memory=memory_record(text, f"m{n}"),
            sources=(f"msg-m{n}",),
        )
        for n, text in enumerate(texts, start=1)
    ]


HITS = found("Hens lay brown eggs.", "The goat is called Ödön.", "x" * 400)


def failures(**conditions: object) -> tuple[str, ...]:
    return judge(Assertion(question="q", **conditions), HITS).failures  # type: ignore[arg-type]


def test_expected_memories_may_be_named_by_their_ids_or_those_of_their_messages() -> None:
    outcome = judge(Assertion(question="q", expect=("m2", "msg-m1")), HITS)
    assert outcome.passed
    assert (outcome.recall, outcome.first_rank, outcome.top_score) == (1.0, 1, 1.0)


def test_recall_rank_and_tokens_bound_what_counts() -> None:
    assert failures(expect=("m1", "nothing"))[0].startswith("1 of 2 expected within 10 hits: nothing missing")
    assert not failures(expect=("m1", "nothing"), min_recall=0.5)
    assert failures(expect=("m2",), at_most_rank=1)
    # The first two hits take 5 + 1 and 6 + 1 tokens, the third one 101.
    assert not failures(expect=("m2",), within_tokens=13)
    assert failures(expect=("m2",), within_tokens=12)
    assert failures(expect=("m3",), within_tokens=100)


def test_texts_are_looked_for_whatever_their_case_and_form() -> None:
    assert not failures(must_contain=("brown EGGS", "ÖDÖN", "O\u0308do\u0308n"))
    assert failures(must_contain=("white eggs",)) == ("no hit contains 'white eggs'",)
    assert failures(must_not_contain=("ödön",)) == ("a hit contains 'ödön'",)
    assert not failures(must_not_contain=("ödön",), at_most_rank=1)


def test_what_must_not_be_found_and_what_nobody_knows() -> None:
    assert failures(must_not_find=("m2",)) == ("found m2, which must not be found",)
    assert not failures(must_not_find=("m2",), at_most_rank=1)
    assert failures(max_score=0.9)
    assert not failures(max_score=1.0)
    assert judge(Assertion(question="q", max_score=0.0), []).passed


def test_defaults_hold_where_a_question_says_nothing_and_options_go_before_them() -> None:
    text = SCOPE + '[defaults]\nat_most_rank = 3\n[[question]]\nquestion = "a"\nexpect = ["x"]\n'
    text += '[[question]]\nquestion = "b"\nexpect = ["x"]\nat_most_rank = 5\n'
    assert [a.at_most_rank for a in parse(text).assertions] == [3, 5]
    assert [a.at_most_rank for a in parse(text, {"at_most_rank": 2}).assertions] == [2, 5]
    assert parse(SCOPE + '[[question]]\nquestion = "a"\nexpect = ["x"]\n').assertions[0].at_most_rank == 10


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not toml", "not TOML"),
        ("", "[scope]"),
        ("[scope]\n", "[scope]"),
        ('[scope]\nusr = "a"\n', "'usr'"),
        (SCOPE + "question = 3\n", "'question'"),
        (SCOPE + "[question]\n", "two brackets"),
        (SCOPE + "[[question]]\n", "question 1 has no `question`"),
        (SCOPE + '[[question]]\nquestion = "a"\n', "asks for nothing"),
        (SCOPE + '[[question]]\nquestion = "a"\nexpect = "x"\n', "list of strings"),
        (SCOPE + '[[question]]\nquestion = "a"\nexpect = ["x"]\nat_most_rnk = 1\n', "'at_most_rnk'"),
        (SCOPE + "[defaults]\nmin_recall = 2\n[[question]]\nquestion = ''\n", "from 0 to 1"),
        (SCOPE + "[defaults]\nat_most_rank = 0\n[[question]]\nquestion = ''\n", "whole number"),
        (SCOPE + "[defaults]\nwithin_tokens = true\n[[question]]\nquestion = ''\n", "whole number"),
    ],
)
def test_a_broken_file_is_refused_with_the_fault(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidRequestError) as caught:
        load(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


async def test_a_file_made_from_a_store_is_filled_in_and_checked() -> None:
    async with AsyncMemory(store=InMemoryStore(), embedder="none") as memory:
        for text in ("My dentist is Dr Varga.", "ok", "我的猫叫小满"):
            await memory.add(text, user_id="ann")
        await memory.add({"role": "assistant", "content": "Cats sleep sixteen hours."}, user_id="ann")
        await memory.add("My boat is called Kestrel.", user_id="bo")
        scope = Scope(user_id="ann")
        records = await select(memory, scope, 2)
        assert [r.text for r in records] == ["My dentist is Dr Varga.", "我的猫叫小满"]
        everything = await select(memory, scope, 10)
        assert "ok" not in {r.text for r in everything}
        assert len(everything) == 3

        text = write(scope, records)
        assert parse(text).scope == scope
        assert await check(memory, parse(text)) == []
        filled = text.replace('question = ""', 'question = "Who is the dentist?"  # mine', 1)
        (outcome,) = await check(memory, parse(filled))
        assert outcome.passed

        longer, added = extend(filled, everything)
        assert added == 1
        assert longer.startswith(filled)
        assert extend(longer, everything) == (longer, 0)
        skipped = filled.replace("skip = []", f'skip = ["{everything[-1].id}"]')
        assert extend(skipped, everything) == (skipped, 0)


hostile_text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


@given(hostile_text, hostile_text, hostile_text)
def test_whatever_a_memory_holds_the_file_can_be_read(text: str, name: str, user: str) -> None:
    made = write(Scope(user_id=user), [memory_record(text, name)])
    assert parse(made).named == {name}
    assert parse(made).scope.user_id == user
    assert tomllib.loads(made)["question"][0] == {"question": "", "expect": [name]}
    longer, added = extend(made, [memory_record(text, f"{name}2")])
    assert added == 1
    assert parse(longer).named == {name, f"{name}2"}


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("My dentist is Dr Varga.", "What is my dentist?"),
        ("my two favourite colours are red and green", "What are my two favourite colours?"),
        ("我的猫叫小满", "我的猫叫什么？"),
        ("我的公司在杭州", "我的公司在哪里？"),
        ("She is my dentist.", None),
        ("今天下雨了", None),
    ],
)
def test_plain_statements_have_a_question_proposed(text: str, question: str | None) -> None:
    assert proposal(text) == question
