"""What nobody would think of sending: vectors that are none, and generated filters, messages, texts and cursors."""

import math
import string
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepstone import BadReplyError, FilterError, InvalidRequestError, KeepstoneError, Memory
from tests.pipeline.opening import BrokenEmbedder, Open, opener, texts_of

SPOILT: dict[str, Callable[[Any], Any]] = {
    "one too few": lambda vectors: vectors[1:],
    "one too many": lambda vectors: [*vectors, vectors[0]],
    "none": lambda vectors: [],
    "NaN": lambda vectors: [[math.nan] * len(v) for v in vectors],
    "one NaN": lambda vectors: [[*v[:-1], math.nan] for v in vectors],
    "infinity": lambda vectors: [[math.inf, -math.inf, *v[2:]] for v in vectors],
    "too short": lambda vectors: [v[:-1] for v in vectors],
    "too long": lambda vectors: [[*v, 0.0] for v in vectors],
    "empty": lambda vectors: [[] for _ in vectors],
    "the last is short": lambda vectors: [*vectors[:-1], vectors[-1][:10]],
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_embedder(open_memory: Open, spoil: Callable[[Any], Any]) -> None:
    embedder = BrokenEmbedder()
    memory = open_memory(embedder=embedder)
    id = memory.add([{"content": "I live in Lyon"}, {"content": "I keep bees"}], user_id="alice").memories[0].id
    before = memory.stats()
    for verb in (
        lambda: memory.add([{"content": "Something new"}, {"content": "Something newer"}], user_id="alice"),
        lambda: memory.search("Lyon", user_id="alice"),
        lambda: memory.update(id, text="I live in Paris"),
    ):
        embedder.spoil = spoil
        with pytest.raises(BadReplyError) as caught:
            verb()
        assert not caught.value.retryable
        embedder.spoil = lambda vectors: vectors
        assert memory.stats().to_dict() | {"bytes": 0} == before.to_dict() | {"bytes": 0}
        assert memory.search("Lyon", user_id="alice")[0].id == id


def test_embedder_that_raises_something_else(open_memory: Open) -> None:
    embedder = BrokenEmbedder()
    memory = open_memory(embedder=embedder)
    memory.add("I live in Lyon", user_id="alice")
    embedder.spoil = lambda _: ZeroDivisionError("a bug of the caller's own embedder")
    with pytest.raises(ZeroDivisionError):
        memory.add("I live in Paris", user_id="alice")
    embedder.spoil = lambda vectors: vectors
    assert texts_of(memory, user_id="alice") == ["I live in Lyon"]


KEYS = st.text(max_size=6) | st.sampled_from(["and", "or", "not", "a", "created_at", "user_id", "metadata.a", "kind"])
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.datetimes()
    | st.binary(max_size=3)
)
OPERATORS = st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "contains", "exists"]) | KEYS
JUNK = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(KEYS, inner, max_size=3),
        st.dictionaries(OPERATORS, inner, max_size=2),
    ),
    max_leaves=10,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Memory]]:
    """Return a memory of each store, which fuzzed reads share."""
    opening = [opener(name, "Memory", tmp_path_factory.mktemp(name)) for name in ("inmemory", "sqlite")]
    memories = [next(o)() for o in opening]
    for memory in memories:
        memory.add(
            [{"content": "I live in Lyon", "metadata": {"a": 1, "b": ["x"]}}, {"content": "茶"}], user_id="alice"
        )
        memory.add("Bob keeps a secret", user_id="bob")
    yield memories
    for open_ in opening:
        next(open_, None)


@given(where=st.dictionaries(KEYS, JUNK, max_size=3) | JUNK)
def test_fuzzed_filters(shared: list[Memory], where: Any) -> None:
    answers = []
    for memory in shared:
        try:
            items = memory.get_all(user_id="alice", filters=where).items
            hits = memory.search("Lyon 茶", user_id="alice", filters=where)
            assert {h.text for h in hits} == {r.text for r in items} <= {"I live in Lyon", "茶"}
            answers.append(str(sorted(r.text for r in items)))
        except FilterError as error:
            answers.append(str(error))
    assert answers[0] == answers[1]


@given(said=JUNK | st.lists(st.fixed_dictionaries({"content": JUNK}, optional={"role": JUNK, "id": JUNK}), max_size=3))
@settings(max_examples=30)
def test_fuzzed_messages(shared: list[Memory], said: Any) -> None:
    outcomes = []
    for memory in shared:
        before = memory.stats().messages
        try:
            added = memory.add(said, user_id="fuzz")
        except InvalidRequestError as error:
            assert memory.stats().messages == before
            outcomes.append(str(error))
        except KeepstoneError as error:
            assert memory.stats().messages == before
            outcomes.append(type(error).__name__)
        else:
            assert memory.stats().messages == before + len(added.messages)
            outcomes.append(str([r.text for r in added.memories]))
    assert outcomes[0] == outcomes[1]


@given(text=st.text(max_size=200), name=st.none() | st.text(alphabet=string.printable, max_size=5))
@settings(max_examples=30)
def test_any_text_is_kept_or_refused(shared: list[Memory], text: str, name: str | None) -> None:
    for memory in shared:
        try:
            result = memory.add({"content": text, "name": name}, user_id="any")
        except InvalidRequestError:
            continue
        for record in result.memories:
            assert memory.get(record.id) == record
            assert record.id in {h.id for h in memory.search(record.text, user_id="any", limit=1_000)}


@given(cursor=st.text(max_size=12) | st.from_regex(r"k[0-9a-f]{0,20}", fullmatch=True))
def test_any_cursor_is_a_place_or_refused(shared: list[Memory], cursor: str) -> None:
    for memory in shared:
        try:
            page = memory.get_all(user_id="alice", cursor=cursor)
        except InvalidRequestError:
            continue
        assert {r.text for r in page.items} <= {"I live in Lyon", "茶"}
