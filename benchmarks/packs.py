"""Reads packs of dialogues with labelled evidence: one JSON object a line, sessions of turns, and questions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keepstone import Message
from keepstone.logic.passages import passages
from keepstone.logic.text import normalise, spoken

Record = Mapping[str, Any]

_ASSISTANT = frozenset({"assistant", "ai", "助手"})
_TIMES = (
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%B-%d-%Y",
    "%B %d, %Y",
    "%d %B %Y",
    "%d %B, %Y",
    "%I:%M %p on %d %B, %Y",
)


def records(path: Path, limit: int | None = None) -> list[Record]:
    """Return the records of a pack, at most *limit* of them."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line, _ in zip(lines, range(limit or 10**9), strict=False)]


def moment(given: object) -> datetime | None:
    """Return a date as the packs write it, in UTC; None if it is not one of their forms."""
    said = re.sub(r"\s*\(\w+\)$", "", str(given or "")).strip()
    for form in _TIMES:
        try:
            return datetime.strptime(said, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def conversations(record: Record) -> Iterator[tuple[str, list[Message]]]:
    """Yield each session of *record* with its turns as messages: turn ids, speakers, and the date of the session."""
    for session in record["sessions"]:
        when = moment(session.get("date"))
        turns = [_message(t, when) for t in session["turns"] if t["text"].strip()]
        if turns:
            yield str(session["session_id"]), turns


def embedded_texts(messages: Sequence[Message]) -> list[str]:
    """Return the texts that adding *messages* embeds: each passage, with its speaker in front."""
    found = []
    for message in messages:
        content = normalise(message.content)
        found += [spoken(message.name, content[s.start : s.end]) for s in passages(content)]
    return found


def questions(record: Record) -> list[str]:
    """Return the questions of *record*, as a search embeds them."""
    return [normalise(q["question"]).strip() for q in record["questions"]]


def _message(turn: Mapping[str, Any], when: datetime | None) -> Message:
    speaker = str(turn["speaker"])
    role = "assistant" if speaker.lower() in _ASSISTANT else "user"
    return Message(content=turn["text"], role=role, name=speaker, id=str(turn["id"]), timestamp=when)
