"""Packs: dialogues with labelled evidence, one JSON object a line; docs/evaluation.md has the schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keepstone.errors import InvalidRequestError
from keepstone.logic.passages import passages
from keepstone.logic.text import normalise, spoken
from keepstone.types import Message

Json = Mapping[str, Any]

ASSISTANTS = frozenset({"assistant", "ai", "助手"})
SUFFIX = ".jsonl"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One utterance; `id` is unique in its record."""

    id: str
    speaker: str
    text: str

    @property
    def said(self) -> str:
        """The text with its speaker in front."""
        return f"{self.speaker}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Turns of one day; `at` is None if its date is not given or not understood."""

    id: str
    at: datetime | None
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question with its labels, which are ids of turns.

    `groups` has one entry for each piece of `evidence`: the turns of which any one will do. `stale` are turns that the
    evidence replaces, `current` those that hold the newest value where that is not all evidence; `forbidden` turns must
    not come back, `distractors` are about somebody else. Only turns before `asof` count. `hints` are the words of the
    answer, which choose the part of a long turn that counts.
    """

    id: str
    text: str
    category: str
    answer: str = ""
    evidence: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    current: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    distractors: tuple[str, ...] = ()
    asof: str | None = None
    at: datetime | None = None
    answerable: bool = True
    hints: tuple[str, ...] = ()

    @property
    def has_evidence(self) -> bool:
        """True if it counts for recall."""
        return self.answerable and bool(self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One store's worth of dialogue with its questions; `raw` is the object as it stands in the pack."""

    id: str
    language: str
    sessions: tuple[Session, ...]
    questions: tuple[Question, ...]
    raw: Json

    @property
    def turns(self) -> tuple[Turn, ...]:
        """All turns in order."""
        return tuple(t for s in self.sessions for t in s.turns)

    @property
    def end(self) -> datetime | None:
        """The day of the last session, None if no session has a date."""
        return max((s.at for s in self.sessions if s.at is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """The records of one file, which has its name without the suffix."""

    name: str
    records: tuple[Record, ...]


def files(paths: Sequence[Path]) -> list[Path]:
    """Return the pack files that *paths* name: files as they are, folders by the `.jsonl` files in them.

    Raises:
        InvalidRequestError: a path is not there, or a folder has no pack.
    """
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
        if not inside:
            raise InvalidRequestError(f"{path} has no {SUFFIX} file.")
        if not inside[0].exists():
            raise InvalidRequestError(f"There is no pack at {path}.")
        found += inside
    return found


def own_packs() -> list[Path]:
    """Return the packs that come with Keepstone."""
    return files([Path(__file__).parent / "packs"])


def read(path: Path, limit: int | None = None) -> Pack:
    """Return the pack at *path*, at most *limit* records of it.

    Raises:
        InvalidRequestError: the file cannot be read or is no pack; the message has the line and the fault.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{path} cannot be read: {error}.") from error
    records: list[Record] = []
    for number, line in enumerate(lines, start=1):
        if len(records) == limit:
            break
        if line.strip():
            records.append(_read_line(line, f"{path}, line {number}"))
    return Pack(name=path.name.removesuffix(SUFFIX), records=tuple(records))


def _read_line(line: str, place: str) -> Record:
    try:
        return record_of(json.loads(line))
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(f"{place}: not JSON ({error}).") from error
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{place}: {error}") from error


def record_of(raw: Json) -> Record:
    """Return one record from its JSON object.

    Raises:
        InvalidRequestError: a field is missing or of the wrong type, an id stands twice, or a label names no turn.
    """
    if not isinstance(raw, Mapping):
        raise InvalidRequestError("a record is a JSON object.")
    sessions = tuple(_session(s) for s in _objects(raw, "sessions"))
    questions = tuple(_question(q) for q in _objects(raw, "questions"))
    record = Record(
        id=_text(raw, "id"), language=str(raw.get("language", "")), sessions=sessions, questions=questions, raw=raw
    )
    turns = [t.id for t in record.turns]
    known = set(turns)
    if len(known) < len(turns):
        raise InvalidRequestError("two turns have the same id.")
    if len({q.id for q in questions}) < len(questions):
        raise InvalidRequestError("two questions have the same id.")
    for question in questions:
        if unknown := sorted(_labels(question) - known):
            raise InvalidRequestError(f"question {question.id!r} names a turn that is not there: {unknown[0]!r}.")
    return record


def moment(given: object) -> datetime | None:
    """Return a date as packs write it, in UTC; None if it is not one of their forms."""
    said = re.sub(r"\s*\(\w+\)$", "", str(given or "")).strip()
    for form in _TIMES:
        try:
            return datetime.strptime(said, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def conversations(record: Record) -> Iterator[tuple[str, list[Message]]]:
    """Yield each session of *record* with its turns as messages: turn ids, speakers, and the date of the session."""
    for session in record.sessions:
        turns = [_message(t, session.at) for t in session.turns if t.text.strip()]
        if turns:
            yield session.id, turns


def embedded_texts(messages: Sequence[Message]) -> list[str]:
    """Return the texts that adding *messages* embeds: each passage, with its speaker in front."""
    found = []
    for message in messages:
        content = normalise(message.content)
        found += [spoken(message.name, content[s.start : s.end]) for s in passages(content)]
    return found


def _message(turn: Turn, at: datetime | None) -> Message:
    role = "assistant" if turn.speaker.lower() in ASSISTANTS else "user"
    return Message(content=turn.text, role=role, name=turn.speaker, id=turn.id, timestamp=at)


def _session(raw: Json) -> Session:
    turns = tuple(
        Turn(id=_text(t, "id"), speaker=_text(t, "speaker"), text=_text(t, "text")) for t in _objects(raw, "turns")
    )
    return Session(id=_text(raw, "session_id"), at=moment(raw.get("date")), turns=turns)


def _question(raw: Json) -> Question:
    answer, rubric = str(raw.get("answer", "")), tuple(map(str, raw.get("rubric") or ()))
    evidence = _ids(raw, "evidence")
    given = raw.get("equivalent")
    if given is not None and not (isinstance(given, list) and all(isinstance(g, list) for g in given)):
        raise InvalidRequestError("'equivalent' is a list of lists of turn ids.")
    asof = raw.get("asof")
    return Question(
        id=_text(raw, "id"),
        text=_text(raw, "question"),
        category=_text(raw, "category"),
        answer=answer,
        evidence=evidence,
        groups=tuple(tuple(map(str, g)) for g in given) if given else tuple((e,) for e in evidence),
        current=_ids(raw, "current") or evidence,
        stale=_ids(raw, "stale"),
        forbidden=_ids(raw, "forbidden"),
        distractors=_ids(raw, "distractors"),
        asof=None if asof is None else str(asof),
        at=moment(raw.get("time")),
        answerable=bool(raw.get("answerable", True)),
        hints=(answer, *rubric),
    )


def _labels(question: Question) -> set[str]:
    named = {e for g in question.groups for e in g}
    named.update(question.evidence, question.current, question.stale, question.forbidden, question.distractors)
    return named | ({question.asof} if question.asof else set())


def _text(raw: Json, name: str) -> str:
    value = raw.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise InvalidRequestError(f"{name!r} is missing or not a string.")
    return value


def _objects(raw: Json, name: str) -> list[Json]:
    value = raw.get(name)
    if not isinstance(value, list) or not all(isinstance(v, Mapping) for v in value):
        raise InvalidRequestError(f"{name!r} is missing or not a list of objects.")
    return value


def _ids(raw: Json, name: str) -> tuple[str, ...]:
    value = raw.get(name) or []
    if not isinstance(value, list):
        raise InvalidRequestError(f"{name!r} is not a list of turn ids.")
    return tuple(map(str, value))
