"""The profile as a view: what held at a moment, and how lines fit into a budget."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from keepstone.logic.counting import count_tokens
from keepstone.logic.profile import SECTIONS
from keepstone.logic.profile.view import lines, profile
from keepstone.profiles import ProfileLine
from keepstone.types import Kind, MemoryRecord, Scope, Status

START = datetime(2026, 1, 1, tzinfo=UTC)


def record(text: str, *, kind: Kind = Kind.EPISODE, **fields: object) -> MemoryRecord:
    values: dict[str, object] = {
        "id": text, "text": text, "kind": kind, "scope": Scope(user_id="ann"), "status": Status.CURRENT,
        "revision": 1, "sequence": 1, "metadata": {}, "categories": ("identity",), "language": "en", "role": "user",
        "sources": (f"m-{text}",), "created_at": START, "updated_at": START, **fields,
    }  # fmt: skip
    return MemoryRecord(**values)  # type: ignore[arg-type]


def test_what_was_superseded_later_still_held_before() -> None:
    moved = START + timedelta(days=30)
    old = record("Ann lives in Basel", kind=Kind.FACT, status=Status.SUPERSEDED, valid_to=moved)
    before, after = moved - timedelta(days=1), moved + timedelta(days=1)
    assert [line.text for line in lines([old], before, past=True)] == ["Ann lives in Basel"]
    assert lines([old], after, past=True) == ()
    assert lines([old], before) == ()
    ending = record("Ann has a guest", kind=Kind.FACT, valid_to=moved)
    assert lines([ending], before) != ()
    assert lines([ending], after) == ()


def test_a_fact_without_a_section_is_no_line() -> None:
    assert lines([record("Ann blinked", kind=Kind.FACT, categories=("misc", "identity"))], START) == ()


def test_what_a_fact_told_is_not_told_by_the_message_once_the_fact_fell() -> None:
    said = record("I live in Basel.", sources=("m-1",))
    fell = record("Ann lives in Basel", kind=Kind.FACT, status=Status.SUPERSEDED, sources=("m-1",), valid_to=START)
    assert [line.text for line in lines([said], START)] == ["I live in Basel."]
    assert lines([fell, said], START) == ()


LINES = st.lists(
    st.builds(
        lambda section, words, day: ProfileLine(
            section=section, text="word " * words, memory_id="x", kind=Kind.EPISODE, sources=("m",),
            since=START + timedelta(days=day), status=Status.CURRENT, speaker="user", language="en",
        ),
        st.sampled_from(SECTIONS), st.integers(1, 40), st.integers(0, 9),
    ),
    max_size=30,
).map(lambda found: sorted(found, key=lambda line: SECTIONS.index(line.section)))  # fmt: skip


@given(found=LINES, most=st.integers(1, 400))
def test_no_budget_is_exceeded_and_nothing_is_lost(found: list[ProfileLine], most: int) -> None:
    made = profile(found, most, count_tokens, complete=True)
    assert made.tokens == (count_tokens(made.text) if made.text else 0)
    assert made.tokens <= most
    assert sorted(map(id, (*made.lines, *made.left_out))) == sorted(map(id, found))
    whole = profile(found, None, count_tokens, complete=True)
    assert whole.lines == tuple(found)
    assert made.lines == whole.lines or whole.tokens > most
