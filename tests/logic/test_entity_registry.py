"""Which names are of one entity, and which known names stand in a question: laws over generated names."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.logic.entities import Registry, fold, is_name, known_names, name_id, name_keys, still_named
from keepstone.naming import Mention, Merge, Named, Naming
from keepstone.types import Scope

ANN = Scope(user_id="ann")
HOME = "user:ann"
AT = datetime(2026, 3, 1, tzinfo=UTC)

NAMES = ("Bob", "Robert", "Rob Roy", "小波", "Trefoil Press", "Lyon", "the Piano", "周瑾")
MENTIONS = st.builds(
    Mention,
    name=st.sampled_from(NAMES),
    kind=st.sampled_from(["person", "place"]),
    aliases=st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(tuple),
)
MEMORIES = st.lists(st.lists(MENTIONS, max_size=3), max_size=6)
PAIRS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=3)


def naming(memories: Sequence[Sequence[Mention]], merges: Sequence[tuple[str, str]] = ()) -> Naming:
    """Return what memories mention, and merges of the names of people."""
    ids = [tuple(name_id(HOME, (fold(n), True)) for n in pair) for pair in merges]
    return Naming(
        named=tuple(
            Named(memory_id=str(n), scope=ANN, sequence=n, mentions=tuple(of)) for n, of in enumerate(memories) if of
        ),
        merges=tuple(Merge(scope=ANN, one=a, into=b, actor="laws", at=AT) for a, b in ids),
    )


def closed(
    memories: Sequence[Sequence[Mention]], merges: Sequence[tuple[str, str]]
) -> set[frozenset[tuple[str, bool]]]:
    """The names of each entity, by joining sets until none overlap."""
    sets = [set(name_keys(m)) for of in memories for m in of]
    named = set().union(*sets) if sets else set()
    sets += [{(fold(a), True), (fold(b), True)} for a, b in merges]
    while True:
        pair = next(((a, b) for a in sets for b in sets if a is not b and a & b), None)
        if pair is None:
            return {frozenset(s & named) for s in sets if s & named}
        pair[0].update(pair[1])
        sets = [s for s in sets if s is not pair[1]]


@given(MEMORIES, PAIRS)
def test_entities_are_what_is_joined_by_names_aliases_and_merges(
    memories: list[list[Mention]], merges: list[tuple[str, str]]
) -> None:
    found = Registry(naming(memories, merges)).entities()
    there = {frozenset(fold(n) for n in (e.name, *e.aliases)) for e in found}
    assert there == {frozenset(name for name, _ in group) for group in closed(memories, merges)}
    assert len({e.id for e in found}) == len(found)
    assert [e.memories for e in found] == sorted((e.memories for e in found), reverse=True)


@given(MEMORIES, PAIRS, st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)))
def test_a_merge_more_joins_at_most_two_and_without_it_all_is_as_before(
    memories: list[list[Mention]], merges: list[tuple[str, str]], one: tuple[str, str]
) -> None:
    before = Registry(naming(memories, merges))
    after = Registry(naming(memories, [*merges, one]))
    assert len(before.entities()) - len(after.entities()) in (0, 1)
    assert Registry(naming(memories, merges)).entities() == before.entities()
    for entity in before.entities():
        now = after.entity(entity.id)
        assert now is not None
        assert {fold(n) for n in (entity.name, *entity.aliases)} <= {fold(n) for n in (now.name, *now.aliases)}


@given(MEMORIES, PAIRS, st.lists(st.sampled_from((*NAMES, "who", "plays", "和")), max_size=5).map(" ".join))
def test_shares_count_the_entities_that_a_question_names(
    memories: list[list[Mention]], merges: list[tuple[str, str]], question: str
) -> None:
    groups = closed(memories, merges)
    known = {name for group in groups for name, _ in group}
    asked = {
        frozenset(g for g in groups if any(n == name for n, _ in g))
        for name in known_names(question, known.__contains__)
    }
    wanted = {}
    for n, of in enumerate(memories):
        keys = {key for m in of for key in name_keys(m)}
        hits = sum(any(keys & group for group in some) for some in asked)
        if hits:
            wanted[str(n)] = hits / len(asked)
    assert Registry(naming(memories, merges)).linked(question) == wanted


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("What does bob's sister play?", ("bob",)),
        ("Is Dr. Okafor in New York City?", ("okafor", "new york city")),
        ("Bob, Rob Roy and BOB", ("bob", "rob roy")),
        ("周瑾会弹什么？", ("周瑾",)),
        ("同济大学的Bob在哪里", ("同济大学", "bob")),
        ("陈先生来了吗", ("陈",)),
        ("陈列馆开门吗", ()),
        ("Will it rain?", ()),
        ("Does Will paint?", ("will",)),
        ("Is it Rob? Roy asked.", ()),
        ("Bobby", ()),
    ],
)
def test_known_names_are_found_whole_and_the_longest(question: str, names: tuple[str, ...]) -> None:
    known = {"bob", "rob roy", "okafor", "new york", "new york city", "周瑾", "大学", "同济大学", "陈", "will"}
    assert known_names(question, known.__contains__) == names


@given(st.text("abc 周瑾的.,'\n", max_size=120))
def test_looking_for_names_has_a_bound(text: str) -> None:
    asked: list[str] = []

    def knows(name: str) -> bool:
        asked.append(name)
        return False

    assert known_names(text * 40, knows) == ()
    assert len(asked) <= 600 * 12


@pytest.mark.parametrize(
    "name", ["he", "my brother", "用户", "同事", "the user's boss", "我的妈妈", "用户的同事", "", "them"]
)
def test_what_anybody_may_be_is_no_name(name: str) -> None:
    assert not is_name(name)


@pytest.mark.parametrize("name", ["Bob", "Aunt May", "周瑾", "妈妈周瑾", "Trefoil Press", "X"])
def test_names_are_names(name: str) -> None:
    assert is_name(name)


def test_a_new_text_keeps_the_mentions_that_it_names() -> None:
    bob, lyon = Mention(name="Bob", kind="person", aliases=("小波",)), Mention(name="Lyon", kind="place")
    text = "Bob lives in Lyon."
    assert still_named((bob, lyon), text, text) == (bob, lyon)
    assert still_named((bob, lyon), text, "小波搬走了。") == (bob,)
    assert still_named((bob, lyon), text, "Nobody lives in Lyon.") == (lyon,)
    assert still_named((bob, lyon), text, "Nobody lives there.") == ()
