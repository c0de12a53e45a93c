"""Distillation: what a model proposes from what was said, read and checked."""

from keepstone.logic.distillation.checking import check
from keepstone.logic.distillation.parsing import Malformed, Parsed, UnreadableReplyError, parse
from keepstone.logic.distillation.proposals import (
    DEFAULT_PROPOSAL_LIMITS,
    Bound,
    Checked,
    EntityMention,
    Known,
    Op,
    Precision,
    Proposal,
    ProposalLimits,
    Section,
    Source,
)

__all__ = [
    "Bound",
    "Checked",
    "DEFAULT_PROPOSAL_LIMITS",
    "EntityMention",
    "Known",
    "Malformed",
    "Op",
    "Parsed",
    "Precision",
    "Proposal",
    "ProposalLimits",
    "Section",
    "Source",
    "UnreadableReplyError",
    "check",
    "parse",
]
