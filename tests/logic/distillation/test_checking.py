"""Handles, form, conflicts and what is dropped; and the laws of the checks. Contents are in the labelled set."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.checking import Case, cases
from keepstone.logic.distillation import Bound, Checked, EntityMention, Known, Proposal, ProposalLimits, Source, check
from keepstone.logic.distillation.hanzi import SIMPLIFIED_ONLY, TRADITIONAL_ONLY, simplified
from keepstone.types import Kind

SAID = datetime(2024, 5, 15, 10, 30, tzinfo=UTC)
SOURCES = {
    "m1": Source(handle="m1", text="I live in Porto with my sister Anna now.", said_at=SAID),
    "m2": Source(handle="m2", text="我养了一只猫，叫糯米。", said_at=SAID),
}
EARLIER = [Source(handle="e1", text="We moved to Porto from Braga.", said_at=SAID)]
KNOWN = {
    "k1": Known(handle="k1", text="User lives in Braga."),
    "k2": Known(handle="k2", text="User has a sister called Anna."),
}
GOOD = Proposal(op="add", text="User lives in Porto.", sources=("m1",))


def checked(*proposals: Proposal, **more: object) -> Checked:
    kinds = (Kind.FACT, Kind.PROCEDURE) if more else (Kind.FACT,)
    return check(proposals, sources=SOURCES, earlier=EARLIER, known=KNOWN, kinds=kinds)


def reasons(*proposals: Proposal) -> list[str]:
    return [r.reason for r in checked(*proposals).refused]


@pytest.mark.parametrize(
    ("proposal", "reason"),
    [
        (replace(GOOD, sources=()), "sources"),
        (replace(GOOD, sources=("m9",)), "sources"),
        (replace(GOOD, sources=("m1", "m9")), "sources"),
        (replace(GOOD, sources=("e1",)), "sources"),
        (replace(GOOD, target="k1"), "target"),
        (replace(GOOD, op="update"), "target"),
        (replace(GOOD, op="supersede", target="k9"), "target"),
        (replace(GOOD, op="none", target=None), "target"),
        (replace(GOOD, confidence=1.5), "confidence"),
        (replace(GOOD, confidence=float("nan")), "confidence"),
        (replace(GOOD, kind=Kind.PROCEDURE), "kind"),
        (replace(GOOD, text=" . "), "empty"),
        (replace(GOOD, text="User lives in Porto. " * 40), "too_long"),
        (replace(GOOD, text="User lives. User is in Porto. It is now. Anna is there."), "several"),
        (replace(GOOD, text="- User lives in Porto. - Anna lives in Porto."), "several"),
        (replace(GOOD, text='{"op": "add"}'), "instruction"),
        (replace(GOOD, text="User lives in Porto (from k1)."), "id"),
        (replace(GOOD, text="User lives in Porto, see https://porto.example."), "id"),
        (replace(GOOD, text="User lives in Braga."), "duplicate"),
        (replace(GOOD, valid_from=Bound(at=date(2023, 1, 1))), "date"),
        (replace(GOOD, valid_from=Bound(at=date(2024, 5, 15)), valid_to=Bound(at=date(2024, 5, 1))), "date"),
        (replace(GOOD, when="in 2019"), "date"),
    ],
)
def test_what_is_wrong_is_refused_with_its_reason(proposal: Proposal, reason: str) -> None:
    result = checked(proposal)
    assert not result.accepted
    assert [r.reason for r in result.refused] == [reason]
    assert result.refused[0].detail.endswith(".")


@pytest.mark.parametrize(
    "proposal",
    [
        GOOD,
        replace(GOOD, sources=("e1", "m1")),
        replace(GOOD, op="supersede", target="k1"),
        replace(GOOD, op="delete", target="k1", text=""),
        replace(GOOD, op="none", target="k2", text="", sources=()),
        replace(GOOD, valid_from=Bound(at=date(2024, 5, 15))),
        replace(GOOD, valid_from=Bound(at=date(2024, 5, 1), precision="month")),
        replace(GOOD, valid_from=Bound(at=date(2024, 1, 1), precision="year")),
        replace(GOOD, text="用户养了一只猫，名叫糯米。", sources=("m2",)),
    ],
)
def test_what_is_carried_is_accepted(proposal: Proposal) -> None:
    assert checked(proposal).accepted == (proposal,)


def test_a_procedure_passes_where_it_is_asked_for() -> None:
    assert checked(replace(GOOD, kind=Kind.PROCEDURE), procedures=True).accepted


def test_a_procedure_may_have_the_five_sentences_that_the_prompt_allows() -> None:
    source = Source(handle="m1", text="I ran the tests. I tagged the release. I pushed the tag. It failed once. Done.")
    steps = "Run the tests. Tag the release. Push the tag. It failed once. Done."
    for text, passes in ((steps, True), (f"{steps} Done.", False)):
        proposal = Proposal(op="add", kind=Kind.PROCEDURE, text=text, sources=("m1",))
        result = check([proposal], sources={"m1": source}, known={}, kinds=(Kind.FACT, Kind.PROCEDURE))
        assert bool(result.accepted) == passes
        assert [r.reason for r in result.refused] == ([] if passes else ["several"])


def test_what_is_unknown_beside_the_fact_is_dropped() -> None:
    entities = (
        EntityMention(name="Porto", type="place", aliases=("Braga", "Oporto")),
        EntityMention(name="Lisbon", type="place"),
    )
    (accepted,) = checked(replace(GOOD, rests_on=("k2", "k7"), entities=entities)).accepted
    assert accepted.rests_on == ("k2",)
    assert accepted.entities == (EntityMention(name="Porto", type="place", aliases=("Braga",)),)


def test_changes_of_one_target_that_contradict_each_other_all_fall() -> None:
    change = replace(GOOD, op="supersede", target="k1")
    other = replace(change, text="User lives in Porto with Anna.")
    assert reasons(change, other) == ["conflict", "conflict"]
    assert reasons(change, replace(change, op="delete", text="")) == ["conflict", "conflict"]
    assert reasons(change, replace(change, op="none", text="")) == ["conflict"]
    assert reasons(change, change) == ["duplicate"]


def test_more_items_than_allowed_are_refused() -> None:
    result = check([GOOD, replace(GOOD, text="User lives with Anna.")], sources=SOURCES, known={}, limits=ONE)
    assert [r.reason for r in result.refused] == ["too_many"]


ONE = ProposalLimits(items_max=1)


def test_a_memory_is_not_retired_by_messages_that_share_no_word_with_it() -> None:
    cat = {"m1": Source(handle="m1", text="The cat slept all day.", said_at=SAID)}
    left = {"m1": Source(handle="m1", text="I left Braga for good.", said_at=SAID)}
    chinese = {"m1": Source(handle="m1", text="我不住那里了。", said_at=SAID)}
    delete = Proposal(op="delete", text="", target="k1", sources=("m1",))
    assert [r.reason for r in check([delete], sources=cat, known=KNOWN).refused] == ["unsupported"]
    assert check([delete], sources=left, known=KNOWN).accepted
    over = {"m1": Source(handle="m1", text="We broke up.", said_at=SAID)}
    assert check([delete], sources=over, known=KNOWN).accepted
    assert check([delete], sources=chinese, known=KNOWN).accepted  # words of two languages cannot be compared


def test_a_known_memory_holds_its_words_for_its_own_change_alone() -> None:
    said = {"m1": Source(handle="m1", text="She adopted the cats last year.", said_at=SAID)}
    fact = Proposal(op="add", text="User's sister adopted three cats in 2023.", sources=("m1",))
    known = {"k1": Known(handle="k1", text="User's sister has three cats.")}
    assert [r.reason for r in check([fact], sources=said, known=known).refused] == ["number"]
    assert check([replace(fact, op="update", target="k1")], sources=said, known=known).accepted


def test_the_table_of_characters_is_one_to_one_and_apart() -> None:
    assert not TRADITIONAL_ONLY & SIMPLIFIED_ONLY
    assert len(simplified("".join(sorted(TRADITIONAL_ONLY)))) == len(TRADITIONAL_ONLY)
    assert all(c.encode("gb2312") for c in SIMPLIFIED_ONLY)
    wrong = [c for c in TRADITIONAL_ONLY if simplified(c) == c]
    assert not wrong


LABELLED = list(cases())
CASES = st.sampled_from(LABELLED)
WORDS = st.text(max_size=60) | CASES.map(lambda c: c.fact) | CASES.map(lambda c: c.text)
HANDLES = st.sampled_from(["m1", "m2", "e1", "k1", "k2", "m9", "k9", ""])
BOUNDS = st.none() | st.builds(
    Bound, at=st.dates() | st.datetimes(timezones=st.none() | st.just(UTC)), precision=st.sampled_from(["day", "month"])
)
PROPOSALS = st.builds(
    Proposal,
    op=st.sampled_from(["add", "update", "supersede", "delete", "none"]),
    text=WORDS,
    target=st.none() | HANDLES,
    kind=st.sampled_from([Kind.FACT, Kind.PROCEDURE]),
    sources=st.lists(HANDLES, max_size=3).map(tuple),
    when=st.none() | WORDS,
    valid_from=BOUNDS,
    valid_to=BOUNDS,
    confidence=st.floats(),
    entities=st.lists(st.builds(EntityMention, name=WORDS), max_size=2).map(tuple),
    rests_on=st.lists(HANDLES, max_size=2).map(tuple),
)
TIMES = st.none() | st.datetimes(timezones=st.none() | st.just(UTC))
MESSAGES = st.builds(Source, handle=st.just("x"), text=WORDS, said_at=TIMES, speaker=st.none() | st.text(max_size=8))


@given(st.lists(PROPOSALS, max_size=3), MESSAGES, MESSAGES, WORDS)
def test_no_proposal_is_an_error_and_all_are_answered(
    proposals: list[Proposal], first: Source, before: Source, memory: str
) -> None:
    sources, earlier = {"m1": replace(first, handle="m1")}, [replace(before, handle="e1")]
    known = {"k1": Known(handle="k1", text=memory)}
    result = check(proposals, sources=sources, earlier=earlier, known=known)
    assert len(result.accepted) + len(result.refused) == len(proposals)
    for accepted in result.accepted:
        assert accepted.target in (None, *known)
        assert set(accepted.sources) <= {"m1", "e1"}
        assert set(accepted.rests_on) <= set(known)
        assert accepted.op == "none" or "m1" in accepted.sources


@given(
    st.sampled_from([c for c in LABELLED if c.good and not c.earlier and not c.known]), st.lists(MESSAGES, max_size=3)
)
def test_more_messages_of_others_never_refuse_what_was_accepted(case: Case, more: list[Source]) -> None:
    said = {"m1": Source(handle="m1", text=case.text, speaker=case.speaker, said_at=SAID)}
    fact = [Proposal(op="add", text=case.fact, sources=("m1",))]
    if check(fact, sources=said, known={}).accepted:
        earlier = [replace(message, handle=f"e{n}") for n, message in enumerate(more)]
        after = {f"m{n}": replace(message, handle=f"m{n}") for n, message in enumerate(more, 2)}
        assert check(fact, sources=said | after, earlier=earlier, known={}).accepted
