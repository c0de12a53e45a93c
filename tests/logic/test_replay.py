"""Keys that tell what was there already: equal for what is the same, different for anything else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.logic.replay import content_key, fingerprint, join_key, replay_keys, statement_key
from keepstone.types import Message, Scope

WHEN = datetime(2026, 3, 1, 9, tzinfo=UTC)
ALICE = Scope(user_id="alice")
SAID = Message(content="I moved to Lyon last spring", timestamp=WHEN)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
MESSAGES = st.builds(
    Message,
    content=TEXT,
    role=st.sampled_from(["user", "assistant"]),
    name=st.none() | TEXT,
    timestamp=st.none() | st.datetimes(timezones=st.just(UTC)),
)


@given(MESSAGES, MESSAGES)
def test_content_keys_differ_as_the_content_does(first: Message, second: Message) -> None:
    alike = (first.role, first.name or "", first.content, first.timestamp) == (
        second.role, second.name or "", second.content, second.timestamp,
    )  # fmt: skip
    assert (content_key(first) == content_key(second)) == alike
    assert len(content_key(first)) == 16


def test_parts_do_not_run_into_each_other() -> None:
    assert content_key(Message(content="bc", name="a")) != content_key(Message(content="c", name="ab"))
    assert fingerprint(["ab", "c"]) != fingerprint(["a", "bc"])
    assert fingerprint(["a"]) != fingerprint(["a", ""])
    key = statement_key("I live in Lyon", "user", None, Scope(user_id="a", agent_id="b"))
    assert key != statement_key("I live in Lyon", "user", None, Scope(user_id="a", app_id="b"))


def test_the_same_instant_is_the_same_time() -> None:
    there = WHEN.astimezone(timezone(timedelta(hours=8)))
    assert content_key(replace(SAID, timestamp=there)) == content_key(SAID)
    assert replay_keys([replace(SAID, timestamp=there)], ALICE) == replay_keys([SAID], ALICE)


def test_metadata_and_id_are_not_content() -> None:
    assert content_key(replace(SAID, metadata={"n": 1}, id="m-1")) == content_key(SAID)


@given(st.lists(MESSAGES, max_size=6))
def test_replay_keys_repeat_with_the_call_and_are_all_different(messages: list[Message]) -> None:
    keys = replay_keys(messages, ALICE)
    assert keys == replay_keys(messages, ALICE)
    given_keys = [k for k in keys if k is not None]
    assert len(set(given_keys)) == len(given_keys)
    assert [k is None for k in keys] == [m.timestamp is None for m in messages]


def test_a_message_with_an_id_needs_no_replay_key() -> None:
    assert replay_keys([replace(SAID, id="m-1")], ALICE) == [None]


def test_said_twice_in_one_call_is_said_twice() -> None:
    once, twice = replay_keys([SAID], ALICE), replay_keys([SAID, SAID, SAID], ALICE)
    assert twice[0] == once[0]
    assert len(set(twice)) == 3


@pytest.mark.parametrize(
    "other",
    [
        {"scope": Scope(user_id="bob")},
        {"scope": Scope(user_id="alice", run_id="monday")},
        {"scope": Scope(tenant="other", user_id="alice")},
        {"role": "assistant"},
        {"content": "I moved to Lyon last summer"},
        {"timestamp": WHEN + timedelta(seconds=1)},
    ],
)
def test_replay_keys_differ(other: dict[str, Any]) -> None:
    scope = other.pop("scope", ALICE)
    assert replay_keys([replace(SAID, **other)], scope) != replay_keys([SAID], ALICE)


def test_statements_fold_white_space_alone() -> None:
    key = statement_key("I moved to Lyon.", "user", None, ALICE)
    assert key == statement_key("  I moved\n to\tLyon. ", "user", None, ALICE)
    assert key != statement_key("I moved to Lyon?", "user", None, ALICE)
    assert key != statement_key("i moved to Lyon.", "user", None, ALICE)
    assert key != statement_key("I moved to Lyon.", "assistant", None, ALICE)
    assert key != statement_key("I moved to Lyon.", "user", "Ann", ALICE)


def test_back_channel_turns_have_no_statement() -> None:
    assert statement_key("yes", "user", None, ALICE) is None
    assert statement_key("好的", "user", None, ALICE) is None


def test_only_a_message_without_time_joins() -> None:
    statement = statement_key(SAID.content, "user", None, ALICE)
    assert statement is not None
    assert join_key(SAID, statement) is None
    assert join_key(replace(SAID, timestamp=None), statement) == statement
    assert join_key(replace(SAID, timestamp=None), None) is None
