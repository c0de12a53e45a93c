"""The laws can fail: each planted fault breaks those named here, and no store without a fault does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from keepstone.protocols import Store
from keepstone.testing import CATALOGUE_LAWS, CONTROL_LAWS, FAULTS, LAWS, InMemoryStore

# The law that is named for what the fault breaks, or the first of several.
BROKEN = {
    "leaky scope": "no_reading_across_scopes",
    "leaky tenant": "no_leak_across_tenants",
    "stale cache after a retirement": "retiring_hides",
    "lost posting": "engines_rank_alike",
    "wrong length": "engines_rank_alike",
    "half batch": "all_or_nothing",
    "wrong statistics": "engines_rank_alike",
    "lost write": "parallel_writes_lose_nothing",
    "disordered history": "history_is_complete",
    "incomplete history": "history_is_complete",
    "skipping pages": "pages_are_complete",
    "ignored filter": "filters_match",
    "ignored expiry": "filters_match",
    "retired memory listed": "retiring_hides",
    "retired message shown": "retiring_hides",
    "history survives an erase": "erasing_leaves_nothing",
    "ledger survives an erase": "erasing_leaves_nothing",
    "duplicate not recognised": "said_before",
    "joins what was superseded": "said_again",
    "ignored idempotency key": "idempotency_keys",
    "learned echo": "echoes_make_no_memory",
    "request carried out twice": "forgetting_on_request",
    "request carried out too far": "ranking_lower_on_request",
    "request not carried out": "forgetting_what_was_just_said",
    "ignored revision": "expected_revisions",
    "mixed vector spaces": "embedders_do_not_mix",
    "hasty adoption": "reembedding_changes_over",
    "categories ignored in a list": "categories_are_listed",
    "oldest category first": "categories_are_listed",
    "new categories lost": "categories_are_listed",
    "ignored lane": "jobs_are_leased",
    "endless lease": "jobs_are_leased",
    "endless truth": "as_of_shows_what_held",
    "known too early": "known_at_shows_what_was_known",
    "later text shown": "known_at_shows_what_was_known",
    "later words indexed": "known_at_shows_what_was_known",
    "silent about what was superseded": "statements_are_told",
    "lease given twice": "jobs_are_claimed_once",
    "claimed for anybody": "jobs_tell_their_state",
    "finished without the lease": "leases_fence",
    "ignored dedupe key": "jobs_are_deduped",
    "lost raw reply": "jobs_tell_their_state",
    "usage of everybody": "calls_are_counted",
    "join that forgets its sources": "joining_gathers_sources",
    "feedback out of bounds": "feedback_has_bounds",
    "review without grandparents": "fallen_grounds_are_told",
    "dependants of one step": "fallen_grounds_are_told",
    "ground shown to strangers": "grounds_do_not_leak",
    "ground not looked for": "grounds_do_not_leak",
    "dropped details": "changes_say_where_they_came_from",
    "details survive an erase": "erasing_takes_what_stands_beside",
    "names of all sessions": "names_do_not_leak",
    "names survive an erase": "names_are_erased",
    "merge that cannot be split": "merges_are_undone",
    "names not looked for": "mentions_link",
    "aliases lost": "mentions_link",
    "merges left out of an archive": "names_move",
    "key ended by a stranger": "keys_end",
    "pin ignored in events": "events_keep_to_their_scope",
    "scope left out of events": "events_name_every_batch",
    "fanned out twice": "events_fan_out_once",
    "reply of another tenant": "replies_are_kept",
    "reply survives an erase": "replies_are_kept",
    "owners of another tenant": "owners_are_listed",
    "prefix taken for a pattern": "owners_are_listed",
    "log quotes the retired": "the_log_is_newest_first",
    "days of everybody": "days_add_up",
    "late delivery settled": "deliveries_are_leased",
}
BY_NAME = {getattr(law, "__name__", ""): law for law in (*LAWS, *CATALOGUE_LAWS, *CONTROL_LAWS)}


def test_every_fault_is_placed() -> None:
    assert BROKEN.keys() == FAULTS.keys()
    assert len(FAULTS) >= 10


@pytest.mark.parametrize("fault", FAULTS)
async def test_fault_breaks_its_law(fault: str) -> None:
    @asynccontextmanager
    async def make() -> AsyncIterator[Store]:
        store = FAULTS[fault](InMemoryStore())
        yield store
        await store.close()

    with pytest.raises(AssertionError):
        await BY_NAME[BROKEN[fault]](make)


@pytest.mark.parametrize(
    "fault",
    [
        "leaky scope",
        "lost posting",
        "half batch",
        "wrong statistics",
        "ignored expiry",
        "retired message shown",
        "endless truth",
        "later text shown",
        "later words indexed",
        "silent about what was superseded",
        "ignored dedupe key",
        "dropped details",
        "join that forgets its sources",
        "names of all sessions",
        "names not looked for",
        "aliases lost",
    ],
)
async def test_agreement_alone_finds_it(fault: str) -> None:
    """Generated data finds faults that nobody thought of, so it must find some that somebody did."""

    @asynccontextmanager
    async def make() -> AsyncIterator[Store]:
        store = FAULTS[fault](InMemoryStore())
        yield store
        await store.close()

    with pytest.raises(AssertionError):
        await BY_NAME["agrees_with_the_reference"](make)


@pytest.mark.parametrize(
    "fault", ["pin ignored in events", "scope left out of events", "log quotes the retired", "days of everybody"]
)
async def test_agreement_of_catalogues_alone_finds_it(fault: str) -> None:
    @asynccontextmanager
    async def make() -> AsyncIterator[Store]:
        store = FAULTS[fault](InMemoryStore())
        yield store
        await store.close()

    with pytest.raises(AssertionError):
        await BY_NAME["catalogues_agree"](make)
