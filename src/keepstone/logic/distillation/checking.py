"""Which of a model's proposals are let through: those that what was said carries, and no others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from keepstone.logic.distillation.attribution import content_of, wrong_person
from keepstone.logic.distillation.grounds import Grounds
from keepstone.logic.distillation.hanzi import simplified
from keepstone.logic.distillation.names import strange_name
from keepstone.logic.distillation.negation import turned_round
from keepstone.logic.distillation.proposals import (
    DEFAULT_PROPOSAL_LIMITS,
    Bound,
    Checked,
    EntityMention,
    Known,
    Proposal,
    ProposalLimits,
    Source,
)
from keepstone.logic.distillation.scripts import allowed, language_script, wrong_script
from keepstone.logic.distillation.support import (
    LEAST_SHARE,
    is_bound_told,
    share_said,
    strange_date,
    strange_number,
    strange_rate,
    unsaid_word,
)
from keepstone.logic.distillation.wording import CHINESE_NEGATION, ENGLISH_NEGATION, REMINDER
from keepstone.logic.text import tokens
from keepstone.results import Refused
from keepstone.types import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """What the model was shown, and what it was asked for."""

    sources: Mapping[str, Source]
    earlier: Sequence[Source]
    known: Mapping[str, Known]
    limits: ProposalLimits
    kinds: Collection[Kind]


Fault = tuple[str, str]


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

    *sources* are the new messages by handle, in order; *earlier* those shown before them: they may support a proposal,
    but not be its only source. *known* are the memories shown. *kinds* are the kinds that were asked for. Of what is
    accepted, a `rests_on` that is not known and an entity that was not said are dropped; nothing else is changed.
    Messages beside the sources of a proposal add support; but who speaks in one of them is not who speaks in them.
    """
    shown = _Shown(sources=sources, earlier=earlier, known=known, limits=limits, kinds=kinds)
    conflicts, seen = _conflicts(proposals), set[tuple[str, str | None, str]]()
    accepted: list[Proposal] = []
    refused: list[Refused] = []
    for position, proposal in enumerate(proposals):
        identity = (proposal.op, proposal.target, _folded(proposal.text))
        fault = next(_faults(proposal, shown), None)
        if position >= limits.items_max:
            fault = ("too_many", f"The reply has more than {limits.items_max} items; keep the most important.")
        elif identity in seen:
            fault = ("duplicate", "The reply says this twice.")
        elif (
            fault is None
            and proposal.target in conflicts
            and not (conflicts[proposal.target] and proposal.op != "none")
        ):
            fault = ("conflict", f"Several changes of {proposal.target} contradict each other; propose one.")
        seen.add(identity)
        if fault is None:
            accepted.append(_trimmed(proposal, shown))
        else:
            refused.append(Refused(text=proposal.text or proposal.target or "", reason=fault[0], detail=fault[1]))
    return Checked(accepted=tuple(accepted), refused=tuple(refused))


def _conflicts(proposals: Sequence[Proposal]) -> dict[str | None, bool]:
    """Return the targets that several proposals name, and whether only one of these changes it.

    Which of several changes is right cannot be told, so that none may pass; a `none` beside one change falls alone.
    """
    named = {(p.target, p.op, _folded(p.text)) for p in proposals if p.target}
    changes = Counter(target for target, op, _ in named if op != "none")
    several = Counter(target for target, _, _ in named)
    return {target: changes[target] == 1 for target, count in several.items() if count > 1 and changes[target]}


def _folded(text: str) -> str:
    return text.casefold().strip(" .。!！")


def _trimmed(proposal: Proposal, shown: _Shown) -> Proposal:
    """Return *proposal* without handles and entities that are not known."""
    rests_on = tuple(h for h in proposal.rests_on if h in shown.known and h != proposal.target)
    handles = {*shown.sources, *(s.handle for s in shown.earlier)}
    grounds = Grounds(proposal, shown.sources, shown.earlier, shown.known)
    entities = tuple(_kept(e, grounds) for e in proposal.entities if _is_said(e.name, grounds))
    sources = tuple(dict.fromkeys(h for h in proposal.sources if h in handles))
    return replace(proposal, rests_on=rests_on, entities=entities, sources=sources)


def _is_said(name: str, grounds: Grounds) -> bool:
    return simplified(name).casefold() in grounds.names_text.casefold()


def _kept(entity: EntityMention, grounds: Grounds) -> EntityMention:
    return replace(entity, aliases=tuple(a for a in entity.aliases if _is_said(a, grounds)))


def _faults(proposal: Proposal, shown: _Shown) -> Iterator[Fault]:
    yield from _wrong_handles(proposal, shown)
    if proposal.op == "none":
        return
    if not 0.0 <= proposal.confidence <= 1.0:
        yield "confidence", f"The confidence must be from 0 to 1, and is {proposal.confidence}."
    if proposal.op == "delete":
        yield from _unrelated_delete(proposal, shown)
        return
    yield from _wrong_form(proposal, shown)
    yield from _wrong_content(proposal, Grounds(proposal, shown.sources, shown.earlier, shown.known))


def _wrong_handles(proposal: Proposal, shown: _Shown) -> Iterator[Fault]:
    handles = {*shown.sources, *(s.handle for s in shown.earlier)}
    if proposal.op == "add" and proposal.target is not None:
        yield "target", "An add has no target; use update or supersede to change a memory."
    if proposal.op != "add" and proposal.target not in shown.known:
        known = ", ".join(shown.known) or "none"
        yield "target", f"The target {proposal.target} is no memory that was shown ({known})."
    unknown = [h for h in proposal.sources if h not in handles]
    if unknown and proposal.op != "none":
        yield "sources", f"{', '.join(unknown)} is no message that was shown."
    if proposal.op != "none" and not any(h in shown.sources for h in proposal.sources):
        yield "sources", "It names no new message as its source."


_HANDLE = re.compile(r"\b[mk]\d{1,3}\b")
_CODE = re.compile(
    r"https?://\S+|www\.\S+|[\w.+-]+@[\w-]+\.[\w.]+|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{13,}\b"
    r"|\b(?=\w*\d)(?=\w*[A-Za-z])[A-Za-z0-9]{8,}\b|\b(?:user|memory|msg|message|run|agent)_\w+|\d{7,}",
    re.IGNORECASE,
)
_ORDER = re.compile(
    r"^(?:please\s+)?(?:ignore|disregard"
    r"|(?:only\s+)?(?:extract|return|output|respond|reply|answer)\s+(?:(?:with|in|only|all|the|a)\s+)*"
    r"(?:json|facts?|memor\w+|changes|objects?)"
    r"|you (?:are|must|should)|as an ai|do not (?:extract|output))\b"
    r"|^请?(?:你|只|仅)*(?:忽略|无视|提取|输出|返回)|^(?:你是|你必须|你应该|你现在是)|^请(?!假|客|教|到|过|人|病|了)"
    r"|(?:ignore|disregard|forget) (?:all |the |any )*(?:previous|prior|above|earlier) "
    r"|(?:忽略|无视)(?:之前|以上|前面|上述)"
    r"|\bsystem prompt\b|系统提示",
    re.IGNORECASE,
)
_REMINDS = re.compile(r"\b(?:remember|remind|forget|note|mind)\b|[记忘]|提醒", re.IGNORECASE)


def _is_instruction(text: str, grounds: Grounds) -> bool:
    """Return whether *text* only tells somebody what to do; a reminder that was said states what it reminds of."""
    if _ORDER.search(text) and not REMINDER.match(text):
        return True
    opening = REMINDER.match(text)
    if opening is None:
        return False
    rest = text[opening.end() :]
    return (
        not _REMINDS.search(grounds.cited_text) or bool(_ORDER.search(rest)) or len(content_of(rest)) < LEAST_REMINDED
    )


# Terms of a reminder: "remember this" says nothing.
LEAST_REMINDED = 2
_SENTENCE = re.compile(r"[.!?](?=\s+\S)|[;；。！？](?=.)|\n|\s•\s")
_LISTED = re.compile(r"^[-*•]\s.*\s[-*•]\s", re.DOTALL)
_SCHEMA_WORD = re.compile(r'[{}]|"(?:op|text|changes|sources)"')


def _wrong_form(proposal: Proposal, shown: _Shown) -> Iterator[Fault]:
    text, limits = proposal.text, shown.limits
    if not re.search(r"\w", text):
        yield "empty", "The text is empty."
    if len(text) > limits.text_chars_max:
        yield "too_long", f"The text has {len(text)} characters, more than {limits.text_chars_max}; say it in fewer."
    most = limits.procedure_sentences_max if proposal.kind is Kind.PROCEDURE else limits.sentences_max
    if len(_SENTENCE.findall(text)) + 1 > most or _LISTED.search(text):
        yield "several", "The text lists several statements; propose each of them as a change of its own."
    if proposal.kind not in shown.kinds:
        yield "kind", f"The kind {proposal.kind} was not asked for; use {' or '.join(sorted(shown.kinds))}."
    if too_many := _too_many(proposal, limits):
        yield "too_many", f"It has too many {too_many}."
    same = next((k.handle for k in shown.known.values() if _folded(k.text) == _folded(text)), None)
    if proposal.op == "add" and same is not None:
        yield "duplicate", f"It is known already, as {same}; use none."


def _too_many(proposal: Proposal, limits: ProposalLimits) -> str:
    counts = {
        "sources": (len(proposal.sources), limits.sources_max),
        "rests_on": (len(proposal.rests_on), limits.rests_on_max),
        "entities": (len(proposal.entities), limits.entities_max),
    }
    return next((name for name, (count, most) in counts.items() if count > most), "")


def _wrong_content(proposal: Proposal, grounds: Grounds) -> Iterator[Fault]:
    text = simplified(proposal.text)
    if _SCHEMA_WORD.search(text) or _is_instruction(text, grounds):
        yield "instruction", "It repeats an instruction instead of stating something."
    if wrong := wrong_script(proposal.text, [s.text for s in grounds.cited]):
        yield "language", wrong
    for code in (*_CODE.findall(text), *_HANDLE.findall(text)):
        if code.casefold() not in grounds.text.casefold():
            yield "id", f"{code} stands in none of its sources."
    yield from _wrong_times(proposal, grounds)
    if name := strange_name(text, grounds):
        yield "name", f"{name} is not named in its sources or in what was shown."
    checks: tuple[tuple[str, Callable[[str, Grounds], str | None]], ...] = (
        ("person", wrong_person),
        ("negation", turned_round),
    )
    for reason, find in () if grounds.repeats(text) else checks:
        if wrong := find(text, grounds):
            yield reason, wrong
    if word := unsaid_word(text, grounds):
        yield "unsupported", f"Nobody said {word}; keep to the words of the sources."
    if (share := share_said(text, grounds)) < LEAST_SHARE:
        yield "unsupported", f"Its sources hold {share:.0%} of its words; keep to what they say."


def _wrong_times(proposal: Proposal, grounds: Grounds) -> Iterator[Fault]:
    for written in (proposal.text, proposal.when or ""):
        text = simplified(written)
        if moment := strange_date(text, grounds):
            yield "date", f"The date {moment} does not follow from its sources and when they were said."
        if number := strange_number(text, grounds):
            yield "number", f"The number {number} does not stand in its sources."
        if rate := strange_rate(text, grounds):
            yield "number", f"The rate {rate} does not stand in its sources."
    first, last = proposal.valid_from, proposal.valid_to
    for name, bound in (("valid_from", first), ("valid_to", last)):
        if bound is not None and not is_bound_told(bound, grounds):
            yield "date", f"The {name} {bound.at.isoformat()} does not follow from its sources; use null."
    if first is not None and last is not None and _is_after(first, last):
        yield "date", f"The valid_from {first.at.isoformat()} is after the valid_to {last.at.isoformat()}."


def _is_after(first: Bound, last: Bound) -> bool:
    return first.at.isoformat()[:10] > last.at.isoformat()[:10] and not last.at.isoformat().startswith(
        first.at.isoformat()[: 4 if last.precision == "year" else 7 if last.precision == "month" else 10]
    )


_TAKES_BACK = re.compile(
    rf"{ENGLISH_NEGATION}|\b(?:forget|delete|remove|erase|scrap|cancel|call(?:ed)? off|over\b|quit|stop"
    r"|(?:broke|broken|split|gave|given) up\b|moved out\b|divorced)"
    rf"|{CHINESE_NEGATION}|[忘删戒]|取消|算了|作废|停了|结束|分手|离婚",
    re.IGNORECASE,
)


def _unrelated_delete(proposal: Proposal, shown: _Shown) -> Iterator[Fault]:
    """Refuse to retire what the messages share no word with, unless these say that it is over or to be forgotten.

    Words of two scripts cannot be compared.
    """
    messages = Grounds(replace(proposal, target=None, rests_on=()), shown.sources, shown.earlier, {})
    text = simplified(shown.known[proposal.target or ""].text)
    spoken = allowed(s.text for s in messages.cited)
    if _TAKES_BACK.search(messages.cited_text) or (spoken and language_script(text) not in spoken):
        return
    if set(tokens(text)).isdisjoint(tokens(messages.text)):
        yield "unsupported", f"Nothing in the messages is about {proposal.target}."
