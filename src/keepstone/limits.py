"""Every limit of Keepstone, in one place; reaching one raises `LimitError`, never cuts silently."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Upper bounds on what one call may bring or ask for.

    Sizes are in the unit that ends the name; `_max` values are inclusive.
    """

    message_bytes_max: int = 1_000_000
    messages_per_add_max: int = 10_000
    batch_bytes_max: int = 64_000_000
    metadata_bytes_max: int = 64_000
    metadata_depth_max: int = 16
    id_chars_max: int = 256
    query_chars_max: int = 32_000
    hits_max: int = 1_000
    context_tokens_max: int = 1_000_000
    page_items_max: int = 10_000
    filter_nodes_max: int = 500
    filter_depth_max: int = 32
    fan_out_partitions_max: int = 1_000


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendingLimits:
    """What chat models may cost a day (UTC), in tokens in and out and in US dollars; None is no limit.

    `owner_*` hold for each owner of memories (user, else agent, application, session), the others for the whole
    tenant. Calls of unknown price count as nothing towards dollars. Where a limit is reached, words are still kept and
    no model is asked until the next day.
    """

    owner_tokens_a_day: int | None = None
    owner_usd_a_day: float | None = None
    tokens_a_day: int | None = None
    usd_a_day: float | None = None


NO_SPENDING_LIMITS = SpendingLimits()
