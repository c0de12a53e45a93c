"""Ids carry time and shard, sort as they were made, and are told from anything else."""

import itertools
import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from keepstone.ids import IdSource
from keepstone.logic.ids import BUCKETS, bucket, bucket_of, is_ours, partition, uuid7
from keepstone.types import Scope

MILLISECONDS = st.integers(0, (1 << 48) - 1)
IDS = st.none() | st.text(min_size=1, max_size=5)
SCOPES = st.builds(Scope, tenant=st.text(max_size=3), user_id=IDS, agent_id=IDS, app_id=IDS, run_id=IDS)


@given(MILLISECONDS, st.integers(0, 0xFFF), st.integers(0, BUCKETS - 1), st.integers(0, (1 << 46) - 1))
def test_uuid7_carries_what_it_was_given(milliseconds: int, order: int, place: int, random: int) -> None:
    id = uuid7(milliseconds, order, place, random)
    value = uuid.UUID(id)
    assert (value.version, value.variant) == (7, uuid.RFC_4122)
    assert value.int >> 80 == milliseconds
    assert value.int >> 64 & 0xFFF == order
    assert value.int & (1 << 46) - 1 == random
    assert bucket_of(id) == place
    assert is_ours(id)


@given(st.integers(), st.integers(), st.integers(), st.integers())
def test_uuid7_drops_higher_bits(milliseconds: int, order: int, place: int, random: int) -> None:
    assert is_ours(uuid7(milliseconds, order, place, random))


@given(st.tuples(MILLISECONDS, st.integers(0, 0xFFF)), st.tuples(MILLISECONDS, st.integers(0, 0xFFF)), st.integers())
def test_uuid7_sorts_by_time_then_order(first: tuple[int, int], second: tuple[int, int], bits: int) -> None:
    low, high = uuid7(*first, bits, ~bits), uuid7(*second, ~bits, bits)
    assert (low < high) == (first < second) or first == second


@given(st.text(max_size=40))
def test_other_strings_are_not_ours(text: str) -> None:
    assert not is_ours(text)


def test_uuids_of_other_versions_are_not_ours() -> None:
    assert not is_ours(str(uuid.UUID(int=4 << 76 | 2 << 62, version=4)))


@given(SCOPES)
def test_bucket_follows_tenant_and_owner_alone(scope: Scope) -> None:
    assert 0 <= bucket(scope) < BUCKETS
    if scope.owner is None:
        assert partition(scope) == ":"
        return
    kind, owner = scope.owner
    alone = Scope(tenant=scope.tenant, **{f"{kind}_id": owner})
    assert bucket(alone) == bucket(scope)
    assert partition(alone) == partition(scope) == f"{kind}:{owner}"


def test_bucket_is_the_same_for_ever() -> None:
    """Ids in files and shards hold it, so that it may never change."""
    assert bucket(Scope(user_id="alice")) == 51_795
    assert bucket(Scope(tenant="t", agent_id="教练")) == 775
    assert len({bucket(Scope(user_id=f"user {n}")) for n in range(2_000)}) > 1_900


def test_tenants_and_kinds_have_buckets_of_their_own() -> None:
    scopes = [
        Scope(user_id="x"),
        Scope(agent_id="x"),
        Scope(app_id="x"),
        Scope(run_id="x"),
        Scope(tenant="t", user_id="x"),
    ]
    assert len({bucket(s) for s in scopes}) == len(scopes)


def test_a_source_rises_whatever_the_clock_does() -> None:
    new_id, start = IdSource(), datetime(2026, 1, 1, tzinfo=UTC)
    steps = (0, 0, 5, -3_600_000, 0, 1, 3_600_000)
    made = [new_id(start + timedelta(milliseconds=m), 7) for m in steps]
    made += [new_id(start, 7) for _ in range(5_000)]
    assert all(a < b for a, b in itertools.pairwise(made))
    assert {bucket_of(id) for id in made} == {7}
