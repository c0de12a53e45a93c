"""The profile as a view over memories: what holds now, in sections, and what of it fits into a budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from keepstone.logic.evidence import folded
from keepstone.logic.layout import labels
from keepstone.logic.profile import SECTIONS, Statement, statements
from keepstone.logic.times import find
from keepstone.profiles import Profile, ProfileLine
from keepstone.types import Kind, MemoryRecord, Status, TokenCounter

# A plan that names no time is over after this.
PLAN_HOLDS = timedelta(days=365)
# Whose turn it is where room is scarce: what hurts most if it is not known comes first.
_URGENCY = ("identity", "health", "constraints", "people", "work", "plans", "preferences")
# So many lines that do not fit, one after the other, end the search for smaller ones.
MISSES_MAX = 12

_HEADINGS = {
    "en": dict(
        zip(SECTIONS, ("Identity", "Preferences", "People", "Plans", "Work", "Health", "Constraints"), strict=True)
    ),
    "zh": dict(zip(SECTIONS, ("身份", "喜好", "身边的人", "计划", "工作", "健康", "限制"), strict=True)),
}


def lines(records: Sequence[MemoryRecord], at: datetime, *, past: bool = False) -> tuple[ProfileLine, ...]:
    """Return what *records*, the last said first, tell that holds at *at*, section by section.

    Facts and procedures with a section as their first category stand as they are. What an episode states is left to a
    fact of the same section from the same message, in whatever status that is; of what can have only one value, the
    last statement stands. With *past*, what was superseded after *at* still
    held then.
    """
    facts = [r for r in records if r.kind is not Kind.EPISODE and _section(r) is not None]
    told = {(source, _section(r)) for r in facts for source in r.sources}
    found = [_of_fact(r) for r in facts if _holds(r, at, past)]
    taken: set[tuple[object, ...]] = set()
    for record in records:
        if record.kind is not Kind.EPISODE or not _holds(record, at, past):
            continue
        for statement in reversed(statements(record.text, record.role)):
            key = _key(record, statement)
            if key in taken:
                continue
            taken.add(key)
            said_by_fact = any((source, statement.section) in told for source in record.sources)
            if not said_by_fact and not _is_over(record, statement, at):
                found.append(_of_statement(record, statement))
    return tuple(_in_sections(found))


def profile(found: Sequence[ProfileLine], max_tokens: int | None, counter: TokenCounter, *, complete: bool) -> Profile:
    """Return the profile with those of *found* that fit into *max_tokens*; the newest of each section come first."""
    kept = _fitting(found, max_tokens, counter)
    there = set(map(id, kept))
    text = written(kept)
    return Profile(
        text=text,
        tokens=counter(text) if text else 0,
        max_tokens=max_tokens,
        lines=tuple(kept),
        left_out=tuple(line for line in found if id(line) not in there),
        complete=complete,
    )


def written(found: Sequence[ProfileLine]) -> str:
    """Return lines under the headings of their sections, in Chinese if most of them are."""
    tag = "zh" if sum(line.language == "zh" for line in found) * 2 > len(found) else "en"
    words = labels(tag)
    parts = []
    for section, of in groupby(found, key=lambda line: line.section):
        rows = [f"{_HEADINGS[tag][section]}{words.colon}".rstrip()]
        for line in of:
            speaker = "" if line.speaker is None else f"{words.roles.get(line.speaker, line.speaker)}{words.colon}"
            rows.append(f"- {line.since.date().isoformat()} {speaker}{line.text}")
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


def _section(record: MemoryRecord) -> str | None:
    first = record.categories[0] if record.categories else None
    return first if first in SECTIONS else None


def _holds(record: MemoryRecord, at: datetime, past: bool) -> bool:
    if record.status is Status.CURRENT:
        return record.valid_to is None or record.valid_to > at
    return past and record.status is Status.SUPERSEDED and record.valid_to is not None and record.valid_to > at


def _key(record: MemoryRecord, statement: Statement) -> tuple[object, ...]:
    """What at most one statement can tell: a slot of one speaker, with its value where several may hold."""
    value = "" if statement.single else statement.value
    return (record.scope.owner, record.name, statement.section, statement.slot, value)


def _of_fact(record: MemoryRecord) -> ProfileLine:
    return ProfileLine(
        section=_section(record) or "",
        text=folded(record.text),
        memory_id=record.id,
        kind=record.kind,
        sources=record.sources,
        since=record.valid_from or _said(record),
        status=record.status,
        language=record.language,
    )


def _of_statement(record: MemoryRecord, statement: Statement) -> ProfileLine:
    return ProfileLine(
        section=statement.section,
        text=folded(_sentence(record, statement)),
        memory_id=record.id,
        kind=record.kind,
        sources=record.sources,
        since=_began(record, statement),
        status=record.status,
        slot=statement.slot,
        speaker=folded(record.name or record.role or "user"),
        language=record.language,
    )


def _said(record: MemoryRecord) -> datetime:
    return record.occurred_at or record.created_at


def _sentence(record: MemoryRecord, statement: Statement) -> str:
    return record.text[statement.span.start : statement.span.end]


def _began(record: MemoryRecord, statement: Statement) -> datetime:
    """Return the one time that the sentence names, if it was not to come; else when it was said."""
    said = _said(record)
    named = find(_sentence(record, statement), said)
    return named[0].start if len(named) == 1 and named[0].start <= said else said


def _is_over(record: MemoryRecord, statement: Statement, at: datetime) -> bool:
    """Whether a plan's time has passed."""
    if statement.section != "plans":
        return False
    said = _said(record)
    coming = [e.end for e in find(_sentence(record, statement), said) if e.end > said]
    return at >= (max(coming) if coming else said + PLAN_HOLDS)


def _in_sections(found: Sequence[ProfileLine]) -> Iterator[ProfileLine]:
    """Yield lines by section, the same words once; they come newest first."""
    for section in SECTIONS:
        shown: set[str] = set()
        of = [line for line in found if line.section == section]
        # Facts came first: without their order among what was said, the date decides.
        for line in sorted(of, key=lambda line: line.since, reverse=True):
            if line.text not in shown:
                shown.add(line.text)
                yield line


def _fitting(found: Sequence[ProfileLine], most: int | None, counter: TokenCounter) -> Sequence[ProfileLine]:
    def size(some: Sequence[ProfileLine]) -> int:
        return counter(written(some)) if some else 0

    if most is None or size(found) <= most:
        return found
    kept: list[ProfileLine] = []
    misses = 0
    for line in _in_turn(found):
        tried = _ordered([*kept, line], found)
        if size(tried) <= most:
            kept, misses = tried, 0
        else:
            misses += 1
        if misses == MISSES_MAX:
            break
    return kept


def _in_turn(found: Sequence[ProfileLine]) -> Iterator[ProfileLine]:
    """Yield the first line of every section, the most urgent section first, then the second of every section."""
    places: dict[str, int] = {}
    ranked: list[tuple[int, int, ProfileLine]] = []
    for line in found:
        rank = places[line.section] = places.get(line.section, -1) + 1
        ranked.append((rank, _URGENCY.index(line.section), line))
    yield from (line for _, _, line in sorted(ranked, key=lambda r: r[:2]))


def _ordered(some: Sequence[ProfileLine], found: Sequence[ProfileLine]) -> list[ProfileLine]:
    there = set(map(id, some))
    return [line for line in found if id(line) in there]
