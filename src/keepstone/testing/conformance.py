"""The laws that every store must keep, for our engines and for those of others.

A law is an async function of `make_store`, which gives an async context manager with a fresh, empty store:

    @pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
    async def test_conformance(law):
        await law(make_store)

Nothing here may import a test framework or a store other than the in-memory reference.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from keepstone.testing import (
    _agreement,
    _catalogue,
    _categories,
    _control,
    _derived,
    _echoes,
    _entities,
    _jobs,
    _lifecycle,
    _moments,
    _requests,
    _scopes,
    _writes,
)
from keepstone.testing._script import MakeStore

__all__ = ["CATALOGUE_LAWS", "CONTROL_LAWS", "LAWS", "Law", "MakeStore", "check"]

Law = Callable[[MakeStore], Awaitable[None]]

LAWS: tuple[Law, ...] = (
    _writes.round_trip,
    _writes.odd_text_survives,
    _writes.said_before,
    _writes.said_again,
    _writes.idempotency_keys,
    _writes.expected_revisions,
    _requests.forgetting_on_request,
    _requests.ranking_lower_on_request,
    _requests.forgetting_what_was_just_said,
    _echoes.echoes_make_no_memory,
    _writes.all_or_nothing,
    _writes.history_is_complete,
    _writes.undoing_restores,
    _writes.parallel_writes_lose_nothing,
    _writes.pages_are_complete,
    _writes.embedders_do_not_mix,
    _writes.closing_ends,
    _scopes.no_reading_across_scopes,
    _scopes.no_deleting_across_scopes,
    _scopes.no_leak_across_tenants,
    _scopes.fan_out_has_a_bound,
    _scopes.filters_match,
    _scopes.retiring_hides,
    _moments.as_of_shows_what_held,
    _moments.known_at_shows_what_was_known,
    _moments.statements_are_told,
    _categories.categories_are_listed,
    _lifecycle.erasing_leaves_nothing,
    _lifecycle.erasing_by_message,
    _lifecycle.resetting_empties,
    _lifecycle.archives_move,
    _lifecycle.engines_rank_alike,
    _lifecycle.reembedding_changes_over,
    _lifecycle.jobs_are_leased,
    _jobs.leases_fence,
    _jobs.jobs_tell_their_state,
    _jobs.jobs_are_claimed_once,
    _jobs.jobs_are_deduped,
    _jobs.calls_are_counted,
    _derived.joining_gathers_sources,
    _derived.feedback_has_bounds,
    _derived.fallen_grounds_are_told,
    _derived.erased_grounds_leave_a_mark,
    _derived.grounds_do_not_leak,
    _derived.messages_name_their_memories,
    _derived.changes_say_where_they_came_from,
    _derived.batches_are_undone,
    _derived.erasing_takes_what_stands_beside,
    _entities.mentions_link,
    _entities.names_do_not_leak,
    _entities.names_are_erased,
    _entities.merges_are_undone,
    _entities.names_move,
    _agreement.agrees_with_the_reference,
)

# A store need not be a `Catalogue` or a `ControlPlane`; one that is keeps these.
CATALOGUE_LAWS: tuple[Law, ...] = (
    _catalogue.owners_are_listed,
    _catalogue.owners_are_counted,
    _catalogue.conversations_are_listed,
    _catalogue.transcripts_are_complete,
    _catalogue.the_log_is_newest_first,
    _catalogue.days_add_up,
    _catalogue.days_outlive_what_is_erased,
    _catalogue.catalogues_agree,
)

CONTROL_LAWS: tuple[Law, ...] = (
    _catalogue.events_name_every_batch,
    _catalogue.ended_jobs_are_told,
    _control.tenants_stand_apart,
    _control.keys_come_back,
    _control.keys_end,
    _control.sessions_end,
    _control.the_audit_is_kept,
    _control.events_keep_to_their_scope,
    _control.events_fan_out_once,
    _control.deliveries_are_leased,
    _control.replies_are_kept,
    _control.resetting_keeps_the_keys,
)


async def check(make_store: MakeStore, laws: Sequence[Law] = LAWS) -> None:
    """Hold the stores of *make_store* to every law of *laws*.

    Raises:
        AssertionError: the first law that is broken, by name, with what broke it as its cause.
    """
    for law in laws:
        name = getattr(law, "__name__", repr(law))
        try:
            await law(make_store)
        except Exception as error:
            # Whatever a store raises where a law expects an answer breaks that law.
            raise AssertionError(f"The law {name!r} is broken: {error!r}") from error
