"""From accepted proposals to steps: what is said already is joined, what is over is superseded, the rest is added."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from keepstone.logic.distillation.asking import said_at
from keepstone.logic.distillation.material import Material, Piece
from keepstone.logic.distillation.proposals import Known, Proposal, Source
from keepstone.logic.entities import fold, is_name
from keepstone.logic.text import language, normalise, tokens
from keepstone.naming import ENTITY_KINDS, EntityKind, Mention
from keepstone.operations import SourceSpan
from keepstone.types import MemoryRecord, Status

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NEGATED = re.compile(r"\b(?:not|no|never|none|without|cannot)\b|n['’]t\b|[不没沒别別无無未非]", re.IGNORECASE)
_PERSONS = re.compile(
    r"\b(?:i|me|my|you|your|he|him|his|she|her|hers|it|its|we|us|our|they|them|their)\b|[我你您他她它]", re.IGNORECASE
)
# Words whose absence changes nothing in a statement about someone.
_FILLERS = re.compile(
    r"\b(?:the user|user|currently|now|also|really|very|quite)\b|用户|目前|现在|現在|也|很|非常", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do with the store.

    `add` writes `proposal.text`; if `target` is given, the new memory supersedes it from `start` on, or is superseded
    by it where what is known holds since later (`is_older`). `revise` gives the target the text; `join` only adds the
    sources to it; `retire` takes it back. `start` and `end` bound when the statement holds, as far as it is known.
    """

    kind: Literal["add", "revise", "join", "retire"]
    proposal: Proposal
    sources: tuple[SourceSpan, ...]
    said_at: datetime | None
    target: MemoryRecord | None = None
    start: datetime | None = None
    end: datetime | None = None
    is_older: bool = False


def sources_of(material: Material) -> dict[str, Source]:
    """Return the new messages as the checks take them."""
    return {
        handle: Source(
            handle=handle,
            text=piece.text,
            role=piece.message.role,
            speaker=piece.message.name,
            said_at=said_at(piece.message),
            language=language(piece.text),
        )
        for handle, piece in material.new_by_handle().items()
    }


def earlier_of(material: Material) -> tuple[Source, ...]:
    """Return the earlier messages as the checks take them."""
    return tuple(
        Source(handle=h, text=m.content, role=m.role, speaker=m.name, said_at=said_at(m))
        for h, m in material.earlier_by_handle().items()
    )


def known_of(material: Material) -> dict[str, Known]:
    """Return the known memories as the checks take them."""
    return {
        handle: Known(
            handle=handle,
            text=record.text,
            kind=record.kind,
            status=record.status.value,
            valid_from=record.valid_from or record.occurred_at,
            valid_to=record.valid_to,
            names=material.names.get(record.id, ()),
        )
        for handle, record in material.known_by_handle().items()
    }


def mentions_of(proposal: Proposal) -> tuple[Mention, ...]:
    """Return what *proposal* mentions, without words such as "he" and 同事, which are nobody's names.

    A mention whose name is none has its first alias that is one; without any, it is left out.
    """
    found: dict[str, Mention] = {}
    for entity in proposal.entities:
        written = (" ".join(n.split()) for n in (entity.name, *entity.aliases))
        by_name: dict[str, str] = {}
        for name in written:
            if is_name(name) and name.isprintable():
                by_name.setdefault(fold(name), name)
        names = list(by_name.values())
        if names:
            kind: EntityKind = next((k for k in ENTITY_KINDS if k == entity.type), "thing")
            found.setdefault(fold(names[0]), Mention(name=names[0], kind=kind, aliases=tuple(names[1:])))
    return tuple(found.values())


def same_statement(one: str, other: str) -> bool:
    """Return whether two texts say the same: the same words in the same order, but for fillers and inflection."""
    return signature(one) == signature(other)


def signature(text: str) -> tuple[object, ...]:
    """Return what texts that say the same have in common.

    That is their words in order, without fillers and inflection, with their numbers, negations and pronouns. What
    differs by one word of content is not the same: it may be the word that matters.
    """
    marks = (sorted(map(str.casefold, m.findall(text))) for m in (_NUMBER, _NEGATED, _PERSONS))
    words = tokens(_FILLERS.sub(" ", text))
    # A text without words is itself.
    return (tuple(words) or normalise(text).strip(), *map(tuple, marks))


def plan(
    accepted: Sequence[Proposal], material: Material, alike: Mapping[int, Sequence[MemoryRecord]], now: datetime
) -> list[Step]:
    """Return the steps that *accepted* come to, in order.

    *alike* gives for a proposal, by its place, the stored memories nearest to its text; one that says the same and is
    current is joined instead of repeated. Proposals of one reply that say the same become one.
    """
    known, pieces = material.known_by_handle(), material.new_by_handle()
    steps: list[Step] = []
    for place, proposal in enumerate(accepted):
        target = known.get(proposal.target or "")
        step = _step(proposal, target, [pieces[h] for h in proposal.sources if h in pieces], now)
        step = _joined(step, alike.get(place, ()))
        _enter(steps, step)
    return steps


def _step(proposal: Proposal, target: MemoryRecord | None, sources: Sequence[Piece], now: datetime) -> Step:
    stated = max((m for p in sources if (m := p.message.occurred_at) is not None), default=None)
    zone = (stated or now).tzinfo
    assert zone is not None
    start = proposal.valid_from.first(zone) if proposal.valid_from is not None else None
    end = proposal.valid_to.after(zone) if proposal.valid_to is not None else None
    step = Step(
        kind="add",
        proposal=proposal,
        sources=tuple(SourceSpan(message_id=p.message.id, span=None if p.is_whole else p.span) for p in sources),
        said_at=stated,
        target=target,
        start=start,
        end=end,
    )
    if target is None:
        return step
    if proposal.op == "none":
        return replace(step, kind="join")
    if proposal.op == "delete":
        return replace(step, kind="retire")
    if proposal.op == "update":
        return replace(step, kind="join" if same_statement(target.text, proposal.text) else "revise")
    return replace(step, is_older=_is_older(step, target, now))


def _is_older(step: Step, target: MemoryRecord, now: datetime) -> bool:
    """Whether what is said now held before what is known: an old conversation may come in late."""
    start = step.start or step.said_at or now
    since = target.valid_from or target.occurred_at
    return since is not None and start < since


def _joined(step: Step, alike: Sequence[MemoryRecord]) -> Step:
    if step.kind != "add":
        return step
    same = [
        r
        for r in alike
        if r.status is Status.CURRENT and r.kind is step.proposal.kind and same_statement(r.text, step.proposal.text)
    ]
    # What supersedes another may say what is known besides: then the other is superseded by that.
    if not same or (step.target is not None and same[0].id != step.target.id):
        return step
    return replace(step, kind="join", target=same[0])


def _enter(steps: list[Step], step: Step) -> None:
    """Put *step* behind the others; what the reply says twice becomes one with the sources of both."""
    for number, earlier in enumerate(steps):
        if step.target is not None and earlier.target is not None and step.target.id == earlier.target.id:
            if step.kind == earlier.kind == "join":
                steps[number] = replace(earlier, sources=_united(earlier, step))
                return
        elif (
            step.kind == earlier.kind == "add"
            and step.target is None
            and earlier.target is None
            and same_statement(step.proposal.text, earlier.proposal.text)
        ):
            steps[number] = replace(earlier, sources=_united(earlier, step))
            return
    steps.append(step)


def _united(one: Step, other: Step) -> tuple[SourceSpan, ...]:
    return tuple(dict.fromkeys((*one.sources, *other.sources)))
