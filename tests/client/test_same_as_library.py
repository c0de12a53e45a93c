"""A client's memory and the library's, over stores of their own, are told the same and answer the same."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keepstone import KeepstoneError, Memory
from keepstone.testing import HashingEmbedder, InMemoryStore
from tests.client.serving import remote
from tests.server.serving import Serving

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
USERS = st.sampled_from(["alice", "bob", "王芳"])
TEXTS = st.sampled_from(
    [
        "I live in Lyon",
        "I moved to Paris",
        "我住在上海",
        "我下周二去北京出差",
        "The piano is tuned",
        "forget my piano",
        "",
    ]
)
METADATA = st.dictionaries(st.sampled_from(["a", "标签"]), st.integers(-3, 3) | st.text(max_size=3), max_size=2)
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2027, 1, 1)).map(lambda t: t.replace(tzinfo=UTC))  # noqa: DTZ001
MESSAGES = st.fixed_dictionaries(
    {"content": TEXTS},
    optional={"role": st.sampled_from(["user", "assistant"]), "id": st.sampled_from("123"), "timestamp": TIMES},
)
SCOPES = st.fixed_dictionaries({"user_id": USERS}, optional={"run_id": st.sampled_from("xy")})
OPTIONAL = st.fixed_dictionaries({}, optional={"user_id": USERS})
REASONS = st.fixed_dictionaries({}, optional={"reason": TEXTS.filter(bool)})
# Which of the memories there are: the number, from the end.
WHICH = st.integers(0, 4)

CALLS = st.one_of(
    st.tuples(
        st.just("add"),
        st.one_of(TEXTS, MESSAGES, st.lists(MESSAGES, max_size=3)),
        st.builds(
            lambda scope, more: scope | more,
            SCOPES,
            st.fixed_dictionaries(
                {}, optional={"metadata": METADATA, "infer": st.booleans(), "idempotency_key": st.sampled_from("kl")}
            ),
        ),
    ),
    st.tuples(st.just("update"), WHICH, st.fixed_dictionaries({}, optional={"text": TEXTS, "metadata": METADATA})),
    st.tuples(st.just("update"), WHICH, st.fixed_dictionaries({"expires_at": st.none() | TIMES})),
    st.tuples(st.just("delete"), WHICH, st.builds(lambda a, b: a | b, OPTIONAL, REASONS)),
    st.tuples(st.just("undo"), WHICH, st.fixed_dictionaries({}, optional={"cascade": st.booleans()})),
    st.tuples(st.just("feedback"), WHICH, st.just({"value": "positive"})),
    st.tuples(st.just("history"), WHICH, OPTIONAL),
    st.tuples(st.just("get"), WHICH, OPTIONAL),
    st.tuples(st.just("delete_all"), st.none(), OPTIONAL),
)
ASKED = st.fixed_dictionaries(
    {"user_id": USERS},
    optional={
        "filters": st.fixed_dictionaries(
            {"a": st.integers(-3, 3) | st.fixed_dictionaries({"gte": st.integers(-3, 3)})}
        ),
        "kinds": st.lists(st.sampled_from(["episode", "fact"]), max_size=2),
        "as_of": TIMES,
        "min_score": st.floats(0, 1),
    },
)


class Ids:
    """Ids that count on from a number that both sides set, so that both make the same."""

    def __init__(self) -> None:
        self.next = 0

    def __call__(self, at: datetime, bucket: int) -> str:
        self.next += 1
        return f"0190a000-0000-7000-8000-{self.next:012x}"


class Twins:
    """The same calls on both sides; `ids` are those of the changes that were made, the newest last."""

    def __init__(self, client: Memory, library: Memory, one: Ids, other: Ids) -> None:
        self._sides, self._ids, self.changes = ((client, one), (library, other)), 1_000, [""]

    def memories(self) -> list[str]:
        return [r.id for r in self._sides[1][0].get_all(all_scopes=True).items] or ["none"]

    def call(self, verb: str, first: object, options: dict[str, Any]) -> object:
        """Do it on both sides, compare the answers or errors, and return the one of the library."""
        self._ids += 1_000
        answers = []
        for memory, ids in self._sides:
            ids.next = self._ids
            try:
                answers.append(getattr(memory, verb)(*([] if first is None else [first]), **options))
            except KeepstoneError as error:
                answers.append((type(error), str(error)))
        assert answers[0] == answers[1]
        return answers[1]


def said(twins: Twins, verb: str, which: object, options: dict[str, Any]) -> None:
    if verb == "undo":
        which = twins.changes[-1 - int(str(which)) % len(twins.changes)]
    elif isinstance(which, int):
        known = twins.memories()
        which = known[-1 - which % len(known)]
    answer = twins.call(verb, which, options)
    for change in answer if isinstance(answer, list) else [answer]:
        twins.changes.append(getattr(change, "batch_id", twins.changes[-1]))


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(CALLS, min_size=3, max_size=12), asked=ASKED, query=TEXTS)
def test_answers_are_the_same(
    shared: Serving, calls: list[tuple[str, Any, dict[str, Any]]], asked: dict[str, Any], query: str
) -> None:
    one, other = Ids(), Ids()

    def clock() -> datetime:
        return NOW

    with remote(shared, store=InMemoryStore(one), clock=clock, new_id=one) as client:
        library = Memory(
            store=InMemoryStore(other), embedder=HashingEmbedder(), clock=clock, new_id=other, chat_model="none",
            actor="key:admin",
        )  # fmt: skip
        twins = Twins(client, library, one, other)
        for verb, which, options in calls:
            said(twins, verb, which, options)
        twins.call("search", query, asked)
        twins.call("context", query, asked | {"format": "messages"})
        listed = {n: v for n, v in asked.items() if n != "min_score"} | {"include_expired": True}
        twins.call("get_all", None, listed)
        whose = {"user_id": asked["user_id"]}
        for verb in ("profile", "entities", "stats", "usage", "jobs", "flush", "consolidate"):
            twins.call(verb, None, whose)
        twins.call("erase", None, whose)


def test_reads_of_one_store_are_the_same(shared: Serving) -> None:
    store = InMemoryStore()
    library = Memory(store=store, embedder=HashingEmbedder(), chat_model="none")
    library.add(["I live in Lyon", "我住在里昂"][0], user_id="alice", metadata={"a": [1, {"b": None}], "c": 1.5})
    with remote(shared, store=store) as client:
        (hit,) = client.search("Lyon", user_id="alice", explain=True)
        (same,) = library.search("Lyon", user_id="alice", explain=True)
        assert hit.explanation is not None
        assert same.explanation is not None
        assert hit.explanation.signals == same.explanation.signals
        assert (hit.memory, hit.score, hit.span) == (same.memory, same.score, same.span)
        traced, wanted = (m.trace("Lyon?", user_id="alice", expect=hit.id) for m in (client, library))
        assert (traced.question, traced.counts, traced.expected) == (wanted.question, wanted.counts, wanted.expected)
        assert str(traced).partition("Milliseconds")[0] == str(wanted).partition("Milliseconds")[0]
        library.reset(confirm=True)
        assert client.get_all(user_id="alice").items == ()


@pytest.mark.parametrize("minutes", [-1, 1])
def test_times_come_back_with_their_zone(shared: Serving, minutes: int) -> None:
    at = (NOW + timedelta(minutes=minutes)).astimezone()
    with remote(shared) as client:
        (made,) = client.add({"content": "See you", "timestamp": at}, user_id="alice").memories
        assert made.occurred_at == at
        assert made.occurred_at.utcoffset() == at.utcoffset()
