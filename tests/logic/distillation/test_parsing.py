"""What is read from the raw reply of a model, and what is said about the rest."""

import json
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.logic.distillation import Bound, ProposalLimits, UnreadableReplyError, parse
from keepstone.types import Kind

ITEM = {"op": "add", "text": "User likes tea.", "sources": ["m1"]}
REPLY = json.dumps({"changes": [ITEM]})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ("op", "target", "text", "kind", "section", "sources", "when", "valid_from", "confidence", "entities")
ITEMS = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=8)


@pytest.mark.parametrize(
    "raw",
    [
        REPLY,
        f"```json\n{REPLY}\n```",
        f"<think>Perhaps [1] or {{}}.</think>\n{REPLY}",
        f"I see a note.</think>{REPLY}",
        f"<think>One.</think><reasoning>Two.</reasoning>{REPLY}",
        f"Here you are: {REPLY} Anything else?",
        REPLY.replace("}]}", "},]}"),
        json.dumps([ITEM]),
        json.dumps(ITEM),
        '{"changes": []} and now for good: ' + REPLY,
    ],
)
def test_what_is_around_the_json_does_not_matter(raw: str) -> None:
    parsed = parse(raw)
    assert [p.text for p in parsed.items] == ["User likes tea."]
    assert not parsed.malformed
    assert not parsed.truncated


def test_a_cut_reply_keeps_what_was_complete() -> None:
    raw = json.dumps({"changes": [ITEM, {**ITEM, "text": "User ] likes } coffee."}, ITEM]})
    parsed = parse(raw[: raw.rindex("likes tea")])
    assert [p.text for p in parsed.items] == ["User likes tea.", "User ] likes } coffee."]
    assert parsed.truncated


def test_one_broken_item_costs_only_itself() -> None:
    parsed = parse('{"changes": [{"op": "add" "text": "a"}, ' + json.dumps(ITEM) + "]}")
    assert [p.text for p in parsed.items] == ["User likes tea."]
    assert [m.position for m in parsed.malformed] == [0]
    assert not parsed.truncated


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ("User likes tea.", "object"),
        ({**ITEM, "op": "merge"}, "op"),
        ({**ITEM, "kind": "episode"}, "kind"),
        ({**ITEM, "text": None}, "text"),
        ({**ITEM, "sources": [1]}, "sources"),
        ({**ITEM, "valid_from": "last May"}, "valid_from"),
        ({**ITEM, "valid_to": "2024-02-30"}, "valid_to"),
        ({**ITEM, "confidence": "high"}, "confidence"),
        ({**ITEM, "entities": [{}]}, "entities"),
    ],
)
def test_a_wrong_item_says_what_is_wrong(item: object, says: str) -> None:
    parsed = parse(json.dumps({"changes": [item]}))
    assert not parsed.items
    assert says in parsed.malformed[0].detail


@pytest.mark.parametrize("raw", ["", "No.", "[", "<think>{", '{"facts": []}', "[1, 2]", "[" * 100])
def test_a_reply_without_changes_is_unreadable(raw: str) -> None:
    with pytest.raises(UnreadableReplyError, match="reply"):
        parse(raw)


def test_a_reply_of_nothing_but_opened_thoughts_is_read_in_one_pass() -> None:
    with pytest.raises(UnreadableReplyError, match="thoughts"):
        parse("<think>" * 20_000)


def test_limits_hold() -> None:
    with pytest.raises(UnreadableReplyError, match="characters"):
        parse(REPLY, ProposalLimits(reply_chars_max=10))
    parsed = parse(json.dumps({"changes": [ITEM] * 3}), ProposalLimits(items_max=2))
    assert (len(parsed.items), [m.position for m in parsed.malformed]) == (2, [2])


def test_all_fields_are_read() -> None:
    item = {
        **ITEM,
        "op": "Supersede",
        "target": "k1",
        "kind": "procedure",
        "section": "work",
        "valid_from": "2024-05",
        "valid_to": "2024-06-01T10:00:00+00:00",
        "confidence": 0.5,
        "entities": [{"name": "Anna", "type": "person", "aliases": ["Ann"]}, "Rome"],
        "rests_on": ["k2", "k2"],
        "user_id": "mallory",
    }
    (proposal,) = parse(json.dumps([item])).items
    assert (proposal.op, proposal.target, proposal.kind, proposal.section) == (
        "supersede",
        "k1",
        Kind.PROCEDURE,
        "work",
    )
    assert proposal.valid_from == Bound(at=date(2024, 5, 1), precision="month")
    assert proposal.valid_to == Bound(at=datetime(2024, 6, 1, 10, tzinfo=UTC), precision="time")
    assert [e.name for e in proposal.entities] == ["Anna", "Rome"]
    assert proposal.rests_on == ("k2",)


@pytest.mark.parametrize(
    ("bound", "after"),
    [
        (Bound(at=date(2024, 12, 1), precision="month"), datetime(2025, 1, 1, tzinfo=UTC)),
        (Bound(at=date(2024, 1, 1), precision="year"), datetime(2025, 1, 1, tzinfo=UTC)),
        (Bound(at=date(2024, 2, 29)), datetime(2024, 3, 1, tzinfo=UTC)),
        (Bound(at=date.max), datetime.max.replace(tzinfo=UTC)),
        (Bound(at=date(9999, 12, 1), precision="month"), datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_a_bound_ends_where_it_was_written_to_end(bound: Bound, after: datetime) -> None:
    assert bound.after(UTC) == after
    assert bound.first(UTC) < after


@given(st.lists(ITEMS | JSON, max_size=4))
def test_any_list_of_changes_is_read_or_said_to_be_wrong(items: list[object]) -> None:
    parsed = parse(json.dumps({"changes": items}), ProposalLimits(depth_max=50))
    assert len(parsed.items) + len(parsed.malformed) == len(items)


@given(st.text(max_size=200) | st.integers(0, len(REPLY)).map(lambda n: REPLY[:n]))
def test_any_text_is_read_or_unreadable(raw: str) -> None:
    try:
        parsed = parse(raw)
    except UnreadableReplyError:
        return
    assert len(parsed.items) <= 60
