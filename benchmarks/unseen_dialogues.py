"""Dialogues with a request to forget, made from lines in `unseen/`: a fact among small talk, then a request.

Each line of `requests_LANGUAGE.txt` is one dialogue: a fact, another fact near it, a request for the first in other
words, and a question. They were written before the rules that rank lower, which were improved on them; those of
`later_LANGUAGE.txt` were written and first measured after them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from keepstone.evaluation.pack import Question, Record, Session, Turn

FOLDER = Path(__file__).parent / "unseen"
LANGUAGES = ("en", "zh")
SETS = ("requests", "later")
SMALL_TALK = 30
START = datetime(2025, 3, 1, tzinfo=UTC)


def records(language: str, of: str = SETS[0]) -> tuple[Record, ...]:
    """Return one record for each dialogue in *language* of a set."""
    small_talk = _lines(f"smalltalk_{language}.txt")
    rows = [line.split(" | ") for line in _lines(f"{of}_{language}.txt")]
    return tuple(_record(language, number, row, small_talk) for number, row in enumerate(rows))


def _record(language: str, number: int, row: list[str], small_talk: list[str]) -> Record:
    fact, near, request, question = row
    said = [small_talk[(number + 3 * i) % len(small_talk)] for i in range(SMALL_TALK)]
    said.insert(3 + number % 20, fact)
    said.insert(12 + number % 15, near)
    half = len(said) // 2
    turns = {s: i for i, s in enumerate(said)}
    parts = (said[:half], said[half:], [request])
    sessions = []
    for day, part in enumerate(parts):
        place = sum(len(p) for p in parts[:day])
        texts = tuple(Turn(id=f"t{place + i}", speaker="user", text=text) for i, text in enumerate(part))
        sessions.append(Session(id=f"s{day}", at=START + timedelta(days=7 * day), turns=texts))
    asked = START + timedelta(days=30)
    return Record(
        id=f"unseen-{language}:{number}",
        language=language,
        sessions=tuple(sessions),
        questions=(
            Question(id="q", text=question, category="forget", forbidden=(f"t{turns[fact]}",), at=asked),
            Question(id="n", text=near, category="near", evidence=(f"t{turns[near]}",), at=asked),
        ),
        raw={},
    )


def _lines(name: str) -> list[str]:
    return [line for line in (FOLDER / name).read_text(encoding="utf-8").splitlines() if line]
