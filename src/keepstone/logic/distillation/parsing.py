"""A model's raw reply read as proposals: whatever is around the JSON, and whatever is wrong inside of it.

One item that is wrong costs only that item; a reply that was cut keeps the items before the cut.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from keepstone.errors import KeepstoneError
from keepstone.logic.distillation.proposals import (
    DEFAULT_PROPOSAL_LIMITS,
    KINDS,
    OPS,
    SECTIONS,
    Bound,
    EntityMention,
    Op,
    Proposal,
    ProposalLimits,
    Section,
)
from keepstone.logic.text import normalise
from keepstone.types import Kind

SHOWN_CHARS = 200


class UnreadableReplyError(KeepstoneError, ValueError):
    """The reply holds no proposals that could be read; the message says why, for a repair prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """One item that could not be read: its place in the reply (from 0), its beginning, and what is wrong."""

    position: int
    raw: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What a reply says; `truncated` if it ends before its JSON does."""

    items: tuple[Proposal, ...]
    malformed: tuple[Malformed, ...] = ()
    truncated: bool = False


def parse(text: str, limits: ProposalLimits = DEFAULT_PROPOSAL_LIMITS) -> Parsed:
    """Return the proposals in *text*, the raw reply of a model.

    Code fences, thoughts, text around the JSON, a trailing comma, and a list without its object are taken as they are.
    Unknown properties are dropped. Items beyond `limits.items_max` are malformed.

    Raises:
        UnreadableReplyError: the reply is too large or nested too deeply, or holds no list of changes.
    """
    if len(text) > limits.reply_chars_max:
        raise UnreadableReplyError(
            f"The reply has {len(text)} characters, more than the {limits.reply_chars_max} allowed; answer with fewer."
        )
    answer = _without_thoughts(text)
    found = _complete(answer, limits)
    if found is not None:
        return _read(found, limits)
    recovered = _recovered(answer, limits)
    if recovered is None:
        raise UnreadableReplyError('The reply holds no JSON object with a list of "changes".')
    items, truncated = recovered
    return replace(_read(items, limits), truncated=truncated)


_THOUGHTS_OPEN = re.compile(r"<(think|thinking|reasoning)>", re.IGNORECASE)
_THOUGHTS_END = re.compile(r"</(?:think|thinking|reasoning)>", re.IGNORECASE)
_THOUGHTS_START = re.compile(r"^\s*<(?:think|thinking|reasoning)>", re.IGNORECASE)
_ANSWER_START = re.compile(r"^\s*(?:```\w*\s*)?[\[{]")


def _without_thoughts(text: str) -> str:
    """Return *text* without its thoughts; where it begins with JSON, tags in it are content."""
    if _ANSWER_START.match(text):
        return text
    text = _without_closed_thoughts(text)
    ends = list(_THOUGHTS_END.finditer(text))
    if ends and not _ANSWER_START.match(text):
        text = text[ends[-1].end() :]
    if _THOUGHTS_START.match(text):
        raise UnreadableReplyError("The reply ends inside its thoughts; answer with the JSON object alone.")
    return text


def _without_closed_thoughts(text: str) -> str:
    """Return *text* without thoughts that end, in one pass."""
    kept: list[str] = []
    position = 0
    while opening := _THOUGHTS_OPEN.search(text, position):
        closing = re.compile(f"</{opening[1]}>", re.IGNORECASE).search(text, opening.end())
        if closing is None:
            break
        kept.append(text[position : opening.start()])
        position = closing.end()
    return " ".join((*kept, text[position:]))


# A reply that opens more brackets than this before its JSON is not looked through.
_STARTS_MAX = 200
_BRACKET = re.compile(r"[\[{]")


def _complete(text: str, limits: ProposalLimits) -> list[object] | None:
    """Return the items of the last complete list of changes in *text*, None if there is none."""
    found: list[object] | None = None
    bare: list[object] | None = None
    inside = False
    position = 0
    for _ in range(_STARTS_MAX):
        start = _BRACKET.search(text, position)
        if start is None:
            break
        end = _closing(text, start.start(), limits.depth_max)
        value = None if end is None else _loaded(text[start.start() : end])
        if end is None or value is None:
            # What follows may be a part of what was cut or is broken: no reply of its own.
            inside, position = True, start.end()
            continue
        if isinstance(value, dict) and isinstance(changes := value.get("changes"), list):
            found = changes
        elif not inside:
            bare = _bare(value) or bare
        position = end
    return found if found is not None else bare


def _bare(value: object) -> list[object] | None:
    """Return the items of a list without its object, or of one change alone."""
    if isinstance(value, dict):
        return [value] if isinstance(value.get("op"), str) else None
    return value if isinstance(value, list) and all(isinstance(v, dict | str) for v in value) else None


def _closing(text: str, start: int, depth_max: int) -> int | None:
    """Return the position after the bracket that closes the one at *start*; None if none does."""
    depth = 0
    for token in _STRUCTURE.finditer(text, start):
        first = token[0][0]
        if first in "[{":
            depth += 1
            if depth > depth_max:
                raise UnreadableReplyError(f"The reply nests more than {depth_max} brackets; follow the schema.")
        elif first in "]}":
            depth -= 1
            if depth <= 0:
                return token.end()
    return None


# Brackets outside of strings; a string that is never closed swallows the rest.
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|$)|[\[\]{}]', re.DOTALL)
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*+")|,(?=\s*[\]}])', re.DOTALL)


def _loaded(text: str) -> object:
    """Return the JSON value of *text*, with trailing commas forgiven; None if it is none."""
    for attempt in (text, _TRAILING_COMMA.sub(lambda m: m[1] or "", text)):
        try:
            value: object = json.loads(attempt, strict=False)
        except ValueError:
            continue
        return value
    return None


_LIST_START = re.compile(r'"changes"\s*:\s*\[|\[(?=\s*\{)')


def _recovered(text: str, limits: ProposalLimits) -> tuple[list[object], bool] | None:
    """Return the items of a list that was cut or is broken, and whether it was cut; None if no list begins."""
    start = _LIST_START.search(text)
    if start is None:
        return None
    items: list[object] = []
    position = start.end()
    while opening := _ITEM_START.match(text, position):
        end = _closing(text, opening.end() - 1, limits.depth_max)
        if end is None:
            break
        raw = text[opening.end() - 1 : end]
        value = _loaded(raw)
        items.append(raw if value is None else value)
        position = end
    return items, _LIST_END.match(text, position) is None


_LIST_END = re.compile(r"[\s,]*\]")
_ITEM_START = re.compile(r"[\s,]*\{")


def _read(values: list[object], limits: ProposalLimits) -> Parsed:
    items: list[Proposal] = []
    malformed: list[Malformed] = []
    for position, value in enumerate(values):
        try:
            if position >= limits.items_max:
                raise _WrongItemError(f"The reply has more than {limits.items_max} items; keep the most important.")
            items.append(_proposal(value, limits))
        except _WrongItemError as wrong:
            malformed.append(Malformed(position=position, raw=_shown(value), detail=str(wrong)))
    return Parsed(items=tuple(items), malformed=tuple(malformed))


class _WrongItemError(ValueError):
    """Says what is wrong with one item."""


def _shown(value: object) -> str:
    raw = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return normalise(raw[:SHOWN_CHARS])


def _proposal(value: object, limits: ProposalLimits) -> Proposal:
    if not isinstance(value, dict):
        raise _WrongItemError("Each change must be an object with op, text and sources, not a bare text.")
    op = _op(value)
    return Proposal(
        op=op,
        text=_text(value, op),
        target=_optional_text(value, "target"),
        kind=_kind(value),
        section=_section(value),
        sources=_texts(value, "sources", limits.sources_max),
        when=_optional_text(value, "when"),
        valid_from=_bound(value, "valid_from"),
        valid_to=_bound(value, "valid_to"),
        confidence=_confidence(value),
        entities=_entities(value, limits),
        rests_on=_texts(value, "rests_on", limits.rests_on_max),
    )


def _op(value: Mapping[str, object]) -> Op:
    written = value.get("op")
    said = written.strip().lower() if isinstance(written, str) else ""
    for op in OPS:
        if op == said:
            return op
    raise _WrongItemError(f'"op" must be one of {", ".join(OPS)}.')


def _kind(value: Mapping[str, object]) -> Kind:
    written = value.get("kind")
    if written is None:
        return Kind.FACT
    said = written.strip().lower() if isinstance(written, str) else ""
    for kind in KINDS:
        if kind == said:
            return kind
    raise _WrongItemError(f'"kind" must be one of {", ".join(KINDS)}.')


def _section(value: Mapping[str, object]) -> Section:
    written = value.get("section")
    said = written.strip().lower() if isinstance(written, str) else ""
    return next((s for s in SECTIONS if s == said), "other")


def _text(value: Mapping[str, object], op: Op) -> str:
    written = value.get("text")
    if isinstance(written, str):
        return " ".join(normalise(written).split())
    if written is None and op in ("delete", "none"):
        return ""
    raise _WrongItemError('"text" must be a text.')


def _optional_text(value: Mapping[str, object], name: str) -> str | None:
    written = value.get(name)
    if written is None:
        return None
    if not isinstance(written, str):
        raise _WrongItemError(f'"{name}" must be a text or null.')
    plain = " ".join(normalise(written).split())
    return plain if plain and plain.lower() not in ("null", "none") else None


def _texts(value: Mapping[str, object], name: str, most: int) -> tuple[str, ...]:
    written = value.get(name)
    if written is None:
        return ()
    if isinstance(written, str):
        written = [written]
    if not isinstance(written, list) or not all(isinstance(w, str) for w in written):
        raise _WrongItemError(f'"{name}" must be a list of texts.')
    if len(written) > most:
        raise _WrongItemError(f'"{name}" has more than {most} entries.')
    return tuple(dict.fromkeys(plain for w in written if (plain := normalise(w).strip())))


def _confidence(value: Mapping[str, object]) -> float:
    written = value.get("confidence")
    if written is None:
        return 1.0
    if isinstance(written, bool) or not isinstance(written, int | float | str):
        raise _WrongItemError('"confidence" must be a number from 0 to 1.')
    try:
        number = float(written)
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise _WrongItemError('"confidence" must be a number from 0 to 1.')
    return number


_BOUND = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?", re.ASCII)


def _bound(value: Mapping[str, object], name: str) -> Bound | None:
    written = _optional_text(value, name)
    if written is None:
        return None
    try:
        if match := _BOUND.fullmatch(written):
            year, month, day = (int(g) if g else None for g in match.groups())
            at = date(year or 0, month if month is not None else 1, day if day is not None else 1)
            return Bound(at=at, precision="day" if day is not None else "year" if month is None else "month")
        return Bound(at=datetime.fromisoformat(written), precision="time")
    except ValueError:
        raise _WrongItemError(f'"{name}" must be a date as YYYY-MM-DD, YYYY-MM or YYYY, or null.') from None


def _entities(value: Mapping[str, object], limits: ProposalLimits) -> tuple[EntityMention, ...]:
    written = value.get("entities")
    if written is None:
        return ()
    if not isinstance(written, list):
        raise _WrongItemError('"entities" must be a list.')
    if len(written) > limits.entities_max:
        raise _WrongItemError(f'"entities" has more than {limits.entities_max} entries.')
    return tuple(_mentions(written, limits))


def _mentions(written: list[object], limits: ProposalLimits) -> Iterator[EntityMention]:
    for entry in written:
        given: Mapping[str, object] = {"name": entry} if isinstance(entry, str) else {}
        if isinstance(entry, dict):
            given = entry
        name = _optional_text(given, "name")
        if name is None or len(name) > limits.name_chars_max:
            raise _WrongItemError('Each entry of "entities" must have a "name".')
        aliases = _texts(given, "aliases", limits.aliases_max)
        if any(len(alias) > limits.name_chars_max for alias in aliases):
            raise _WrongItemError(f"An alias has more than {limits.name_chars_max} characters.")
        yield EntityMention(name=name, type=_optional_text(given, "type") or "other", aliases=aliases)
