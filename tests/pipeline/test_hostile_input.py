"""What comes in wrong: one clear error of our tree (or the documented result), nothing lost, and life goes on."""

import math
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from keepstone import (
    ConfigError,
    FilterError,
    InvalidRequestError,
    KeepstoneError,
    LimitError,
    Limits,
    Memory,
    NotFoundError,
    ScopeError,
)
from keepstone.filters import And, Condition, Not
from tests.pipeline.opening import Open, opener, texts_of

NEVER = "0190a000-0000-7000-8000-000000000000"
HUGE = 10**5_000
DAY_ONE = datetime(2026, 1, 1)  # noqa: DTZ001 - without zone is the point


class Unwritable:
    """A value of a caller's own class, which no store can keep."""


class Itself(dict[str, Any]):
    """A mapping that holds itself."""

    def __init__(self) -> None:
        super().__init__()
        self["again"] = self


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"k": value}
    return value


def wide(keys: int) -> dict[str, int]:
    return {f"key {i}": i for i in range(keys)}


# The checks are the same behind both faces, so each store is met through one of them.
@pytest.fixture(params=[("inmemory", "AsyncMemory"), ("sqlite", "Memory")], ids=lambda p: p[0])
def open_memory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Return what opens a memory of each store."""
    yield from opener(request.param[0], request.param[1], tmp_path)


@pytest.fixture
def kept(memory: Memory) -> Memory:
    """Return a memory with something of two users in it, which every test must leave as it is."""
    memory.add([{"content": "I live in Lyon", "metadata": {"a": 1}}, {"content": "我住在里昂"}], user_id="alice")
    memory.add("Bob keeps a secret", user_id="bob", metadata={"a": 1})
    return memory


def refuses(memory: Memory, kind: type[KeepstoneError], verb: Callable[[], Any]) -> KeepstoneError:
    """Assert that *verb* raises exactly *kind*, that it changed nothing, and that the memory still works."""
    before = (memory.stats(), texts_of(memory, all_scopes=True))
    with pytest.raises(KeepstoneError) as caught:
        verb()
    assert type(caught.value) is kind, caught.value
    assert 10 < len(str(caught.value)) < 1_000, "says what is wrong, without repeating all of the input"
    after = (memory.stats(), texts_of(memory, all_scopes=True))
    assert (after[0].to_dict() | {"bytes": 0}, after[1]) == (before[0].to_dict() | {"bytes": 0}, before[1])
    memory.add("The memory still works", user_id="probe")
    assert memory.search("still works", user_id="probe")[0].text == "The memory still works"
    return caught.value


SCOPES: dict[str, dict[str, Any]] = {
    "none": {},
    "a wildcard": {"user_id": "*"},
    "a wildcard with space": {"user_id": " * "},
    "blank": {"user_id": ""},
    "white": {"user_id": "  \t"},
    "a list": {"user_id": ["alice", "bob"]},
    "a dict": {"user_id": {"ne": "alice"}},
    "a number": {"user_id": 7},
    "zero": {"user_id": 0},
    "false": {"user_id": False},
    "bytes": {"user_id": b"alice"},
    "NUL": {"user_id": "alice\x00"},
    "a line": {"user_id": "alice\nbob"},
    "half a pair": {"user_id": "\ud800"},
    "too long": {"user_id": "a" * 257},
    "good and bad": {"user_id": "alice", "agent_id": "*"},
    "good and blank": {"user_id": "alice", "run_id": ""},
}


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES)
def test_scopes(kept: Memory, scope: dict[str, Any]) -> None:
    for verb in (
        lambda: kept.add("Something new to say", **scope),
        lambda: kept.search("Lyon", **scope),
        lambda: kept.get_all(**scope),
        lambda: kept.delete_all(**scope),
        lambda: kept.erase(**scope),
    ):
        refuses(kept, ScopeError, verb)
    if scope:
        id = kept.get_all(user_id="alice").items[0].id
        for by_id in (kept.get, kept.delete, kept.history, kept.undo, kept.erase):
            refuses(kept, ScopeError, lambda by_id=by_id: by_id(id, **scope))  # type: ignore[misc]
        refuses(kept, ScopeError, lambda: kept.stats(**scope))


@pytest.mark.parametrize(
    "user", ["a" * 256, "Ünï ©ödé 🙂", "'; DROP TABLE memories; --", "%", "_", "user:bob", "..", "None"]
)
def test_odd_but_good_scopes(kept: Memory, user: str) -> None:
    kept.add("An odd one", user_id=user)
    assert texts_of(kept, user_id=user) == ["An odd one"]
    assert kept.delete_all(user_id=user) == 1
    assert len(texts_of(kept, all_scopes=True)) == 3


MESSAGES: dict[str, tuple[Any, type[KeepstoneError]]] = {
    "empty": ("", InvalidRequestError),
    "white": (" \n\t\u3000", InvalidRequestError),
    "NUL only": ("\x00\x00", InvalidRequestError),
    "none": (None, InvalidRequestError),
    "bytes": (b"text", InvalidRequestError),
    "a number": (7, InvalidRequestError),
    "a set": ({"a"}, InvalidRequestError),
    "strings": (["a", "b"], InvalidRequestError),
    "lists": ([["a"]], InvalidRequestError),
    "no content": ({"role": "user"}, InvalidRequestError),
    "content none": ({"role": "user", "content": None}, InvalidRequestError),
    "content number": ({"content": 7}, InvalidRequestError),
    "an image": ({"content": [{"type": "image_url", "image_url": {"url": "x"}}]}, InvalidRequestError),
    "a part without text": ({"content": [{"type": "text", "text": None}]}, InvalidRequestError),
    "a part of strings": ({"content": ["text"]}, InvalidRequestError),
    "unknown key": ({"content": "text", "speaker": "me"}, InvalidRequestError),
    "key of another type": ({"content": "text", 7: "me"}, InvalidRequestError),
    "role none": ({"content": "text", "role": None}, InvalidRequestError),
    "role number": ({"content": "text", "role": 7}, InvalidRequestError),
    "role too long": ({"content": "text", "role": "r" * 300}, InvalidRequestError),
    "id number": ({"content": "text", "id": 7}, InvalidRequestError),
    "id blank": ({"content": "text", "id": ""}, InvalidRequestError),
    "name with NUL": ({"content": "text", "name": "a\x00"}, InvalidRequestError),
    "time without zone": ({"content": "text", "timestamp": DAY_ONE}, InvalidRequestError),
    "ISO time without zone": ({"content": "text", "timestamp": "2026-01-01T00:00:00"}, InvalidRequestError),
    "a date": ({"content": "text", "timestamp": date(2026, 1, 1)}, InvalidRequestError),
    "a Unix time": ({"content": "text", "timestamp": 1_767_225_600}, InvalidRequestError),
    "no time": ({"content": "text", "timestamp": "yesterday"}, InvalidRequestError),
    "a huge time": ({"content": "text", "timestamp": HUGE}, InvalidRequestError),
    "the end of time": ({"content": "text", "timestamp": "9999-12-31T23:59:59-12:00"}, InvalidRequestError),
    "before time": ({"content": "text", "timestamp": "0001-01-01T00:00:00+12:00"}, InvalidRequestError),
    "metadata list": ({"content": "text", "metadata": [1]}, InvalidRequestError),
    "10 MB": ("x" * 10_000_000, LimitError),
    "10 MB of Chinese": ({"content": "茶" * 3_500_000}, LimitError),
    "1 MB in bytes": ("茶" * 333_334, LimitError),
    "10,001 messages": ([{"content": "a"}] * 10_001, LimitError),
}


@pytest.mark.parametrize(("said", "kind"), MESSAGES.values(), ids=MESSAGES)
def test_messages(kept: Memory, said: Any, kind: type[KeepstoneError]) -> None:
    refuses(kept, kind, lambda: kept.add(said, user_id="alice"))
    if isinstance(said, dict):
        error = refuses(kept, kind, lambda: kept.add([{"content": "A good one first"}, said], user_id="alice"))
        assert "Message 1" in str(error) or "metadata" in str(error), "says which message it was"


def test_call_of_too_many_characters(open_memory: Open) -> None:
    memory = open_memory(limits=Limits(batch_bytes_max=1_000, message_bytes_max=900))
    memory.add("Something first", user_id="alice")
    refuses(memory, LimitError, lambda: memory.add([{"content": "x" * 600}] * 2, user_id="alice"))


METADATA: dict[str, tuple[Any, type[KeepstoneError]]] = {
    "a list": ([1], InvalidRequestError),
    "a string": ("a", InvalidRequestError),
    "a number as key": ({1: 2}, InvalidRequestError),
    "none as key": ({"a": {None: 1}}, InvalidRequestError),
    "NaN": ({"n": math.nan}, InvalidRequestError),
    "infinity": ({"n": [1, math.inf]}, InvalidRequestError),
    "a huge integer": ({"n": HUGE}, InvalidRequestError),
    "65 bits": ({"n": 2**63}, InvalidRequestError),
    "bytes": ({"n": b"a"}, InvalidRequestError),
    "a set": ({"n": {1}}, InvalidRequestError),
    "an object": ({"n": Unwritable()}, InvalidRequestError),
    "a time without zone": ({"n": DAY_ONE}, InvalidRequestError),
    "deep": (nested(17), LimitError),
    "very deep": (nested(sys.getrecursionlimit() * 2), LimitError),
    "itself": (Itself(), LimitError),
    "a million keys": (wide(1_000_000), LimitError),
    "a million keys below": ({"k": wide(1_000_000)}, LimitError),
    "long text": ({"k": "x" * 64_000}, LimitError),
    "a billion values below": ({"k": [[0] * 30_000] * 30_000}, LimitError),
    "many lists": ({"k": [[[i]] for i in range(20_000)]}, LimitError),
}


@pytest.mark.parametrize(("value", "kind"), METADATA.values(), ids=METADATA)
def test_metadata(kept: Memory, value: Any, kind: type[KeepstoneError]) -> None:
    id = kept.get_all(user_id="alice").items[0].id
    refuses(kept, kind, lambda: kept.add("Something new", user_id="alice", metadata=value))
    refuses(kept, kind, lambda: kept.add({"content": "Something new", "metadata": value}, user_id="alice"))
    refuses(kept, kind, lambda: kept.update(id, metadata=value))


def test_metadata_that_just_fits(kept: Memory) -> None:
    odd = {"": 1, " ": [], "a.b": {"c": [None, True, -0.0, 2**63 - 1]}, "$where": "1", "deep": nested(14), "钥匙": "值"}
    record = kept.add("Something new", user_id="alice", metadata=odd).memories[0]
    assert kept.get(record.id).metadata == odd


def test_what_cannot_be_stored_is_replaced(kept: Memory) -> None:
    """NUL goes, half a surrogate pair becomes U+FFFD, the rest is NFC: the same in every store."""
    record = kept.add("a\x00b \ud800 e\u0301 \U0001f642", user_id="alice", metadata={"k\x00": "\udfff"}).memories[0]
    assert record.text == "ab \ufffd \u00e9 \U0001f642"
    assert record.metadata == {"k": "\ufffd"}
    assert kept.get(record.id) == record
    assert kept.search("\ud800\x00 ab", user_id="alice")[0].id == record.id


TIMES: dict[str, Any] = {
    "without zone": DAY_ONE,
    "a word": "soon",
    "a number": 5,
    "huge": HUGE,
    "the end": datetime.max.replace(tzinfo=UTC),
    "after the end": datetime.max.replace(tzinfo=timezone(-timedelta(hours=12))),
    "the end by seconds": datetime(9999, 12, 31, 23, 59, 50, tzinfo=timezone(timedelta(seconds=40))),
    "the beginning": datetime.min.replace(tzinfo=timezone(timedelta(hours=12))),
}


@pytest.mark.parametrize("expires_at", TIMES.values(), ids=TIMES)
def test_expiry(kept: Memory, expires_at: Any) -> None:
    id = kept.get_all(user_id="alice").items[0].id
    refuses(kept, InvalidRequestError, lambda: kept.add("Something", user_id="alice", expires_at=expires_at))
    refuses(kept, InvalidRequestError, lambda: kept.update(id, expires_at=expires_at))


@pytest.mark.parametrize(
    "moment", ["9999-12-29T11:59:59.999999-12:00", "0001-01-02T00:00:00+00:00", "1969-12-31T23:59:59.5+05:45"]
)
def test_times_that_just_fit(kept: Memory, moment: str) -> None:
    said = {"content": "At an odd time", "timestamp": moment}
    id = kept.add(said, user_id="alice", expires_at=moment).memories[0].id
    record = kept.get(id)
    assert record.expires_at == record.occurred_at == datetime.fromisoformat(moment)
    assert kept.add(said, user_id="alice").duplicates


CALLS: dict[str, tuple[Callable[[Any], Any], type[KeepstoneError]]] = {
    "limit 0": (lambda m: m.search("x", user_id="alice", limit=0), InvalidRequestError),
    "limit true": (lambda m: m.search("x", user_id="alice", limit=True), InvalidRequestError),
    "limit text": (lambda m: m.search("x", user_id="alice", limit="5"), InvalidRequestError),
    "limit too high": (lambda m: m.search("x", user_id="alice", limit=1_001), InvalidRequestError),
    "limit huge": (lambda m: m.get_all(user_id="alice", limit=HUGE), InvalidRequestError),
    "page limit": (lambda m: m.get_all(user_id="alice", limit=10_001), InvalidRequestError),
    "min_score 2": (lambda m: m.search("x", user_id="alice", min_score=2), InvalidRequestError),
    "min_score NaN": (lambda m: m.search("x", user_id="alice", min_score=math.nan), InvalidRequestError),
    "min_score huge": (lambda m: m.search("x", user_id="alice", min_score=HUGE), InvalidRequestError),
    "kind unknown": (lambda m: m.search("x", user_id="alice", kinds=["gossip"]), InvalidRequestError),
    "kinds text": (lambda m: m.search("x", user_id="alice", kinds="fact"), InvalidRequestError),
    "kinds number": (lambda m: m.get_all(user_id="alice", kinds=5), InvalidRequestError),
    "query none": (lambda m: m.search(None, user_id="alice"), InvalidRequestError),
    "query list": (lambda m: m.search(["x"], user_id="alice"), InvalidRequestError),
    "query long": (lambda m: m.search("x" * 32_001, user_id="alice"), LimitError),
    "cursor word": (lambda m: m.get_all(user_id="alice", cursor="next"), InvalidRequestError),
    "cursor blank": (lambda m: m.get_all(user_id="alice", cursor=""), InvalidRequestError),
    "cursor number": (lambda m: m.get_all(user_id="alice", cursor=5), InvalidRequestError),
    "id unknown": (lambda m: m.get(NEVER), NotFoundError),
    "id word": (lambda m: m.get("first"), NotFoundError),
    "id blank": (lambda m: m.get(""), InvalidRequestError),
    "id list": (lambda m: m.get([NEVER]), InvalidRequestError),
    "id NUL": (lambda m: m.delete("\x00"), InvalidRequestError),
    "id wildcard": (lambda m: m.delete("*"), NotFoundError),
    "update unknown": (lambda m: m.update(NEVER, text="Something else"), NotFoundError),
    "update nothing": (lambda m: m.update(NEVER), InvalidRequestError),
    "update blank": (lambda m: m.update(m.get_all(user_id="alice").items[0].id, text=" "), InvalidRequestError),
    "update 10 MB": (
        lambda m: m.update(m.get_all(user_id="alice").items[0].id, text="x" * 10_000_000),
        LimitError,
    ),
    "undo unknown": (lambda m: m.undo(NEVER), NotFoundError),
    "undo a memory": (lambda m: m.undo(m.get_all(user_id="alice").items[0].id), NotFoundError),
    "erase unknown": (lambda m: m.erase([NEVER]), NotFoundError),
    "erase number": (lambda m: m.erase(7), InvalidRequestError),
    "erase numbers": (lambda m: m.erase([7]), InvalidRequestError),
    "reason number": (lambda m: m.delete_all(user_id="alice", reason=7), InvalidRequestError),
    "reason blank": (lambda m: m.delete(m.get_all(user_id="alice").items[0].id, reason=" "), InvalidRequestError),
    "key blank": (lambda m: m.add("x", user_id="alice", idempotency_key=""), InvalidRequestError),
    "key list": (lambda m: m.add("x", user_id="alice", idempotency_key=["k"]), InvalidRequestError),
    "reset unconfirmed": (lambda m: m.reset(), ScopeError),
    "embedder unknown": (lambda m: m.reembed("word2vec"), ConfigError),
}


@pytest.mark.parametrize(("verb", "kind"), CALLS.values(), ids=CALLS)
def test_calls(kept: Memory, verb: Callable[[Any], Any], kind: type[KeepstoneError]) -> None:
    refuses(kept, kind, lambda: verb(kept))


def test_settings(tmp_path: Path) -> None:
    for settings_ in (
        {"tenant": "a\x00"},
        {"tenant": 5},
        {"actor": ""},
        {"embedder": "word2vec"},
        {"chat_model": "gpt"},
    ):
        with pytest.raises(KeepstoneError):
            Memory(tmp_path / "m.db", **settings_)


FILTERS: dict[str, Any] = {
    "a list": [1],
    "a string": "category = 'x'",
    "an unknown operator": {"a": {"regex": ".*"}},
    "an empty condition": {"a": {}},
    "an empty key": {"": 1},
    "a number as key": {1: 1},
    "dots alone": {"..": 1},
    "an open tick": {"`a": 1},
    "in without list": {"a": {"in": "abc"}},
    "exists without truth": {"a": {"exists": 1}},
    "an object": {"a": Unwritable()},
    "and without list": {"and": {"a": 1}},
    "not with list": {"not": [{"a": 1}]},
    "a time without zone": {"created_at": {"gt": "2026-01-01"}},
    "a number as time": {"created_at": 5},
    "deep": {"not": nested(1)} | {"and": [{"not": {"not": {"a": 1}}}] * 200},
    "too deep": None,
    "too wide": {"a": {"in": list(range(501))}},
    "too many": {f"k{i}": i for i in range(501)},
}
UNCHECKED: dict[str, Any] = {
    "a huge number as time": {"created_at": HUGE},
    "a bad tree": Not(None),  # type: ignore[arg-type]
    "a bad operator": Condition(("a",), "regex", ".*"),
    "a bad field": Condition(("secret",), "eq", 1, is_field=True),
    "a bad operand": Condition(("a",), "in", 5),
    "a bad item": And((5,)),  # type: ignore[arg-type]
}
deep: Any = {"a": 1}
for _ in range(40):
    deep = {"not": deep}
FILTERS["too deep"] = deep


@pytest.mark.parametrize("where", UNCHECKED.values(), ids=UNCHECKED)
def test_filters_as_objects(kept: Memory, where: Any) -> None:
    refuses(kept, FilterError, lambda: kept.search("Lyon", user_id="alice", filters=where))


@pytest.mark.parametrize("where", FILTERS.values(), ids=FILTERS)
def test_filters(kept: Memory, where: Any) -> None:
    refuses(kept, FilterError, lambda: kept.search("Lyon", user_id="alice", filters=where))
    refuses(kept, FilterError, lambda: kept.get_all(user_id="alice", filters=where))


@pytest.mark.parametrize(
    "where",
    [
        {"user_id": "bob"},
        {"or": [{"user_id": "bob"}, {"user_id": "carol"}]},
        {"not": {"user_id": "alice"}},
        {"user_id": {"ne": "alice"}},
        {"metadata.user_id": "bob"},
    ],
)
def test_filter_that_names_another_user_finds_nothing(kept: Memory, where: Any) -> None:
    assert kept.search("secret", user_id="alice", filters=where) == []
    assert kept.get_all(user_id="alice", filters=where).items == ()
