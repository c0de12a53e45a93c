"""A small record, and a retriever that answers from a script, for tests of the evaluation."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from keepstone.evaluation.pack import Record, record_of
from keepstone.evaluation.retriever import Factory
from keepstone.evaluation.scoring import Found

TURNS = (
    ("t1", "Ida", "I keep three hens behind the mill."),
    ("t2", "Bo", "My boat is called Kestrel and she leaks."),
    ("t3", "Ida", "The hens are gone, I have two goats now."),
    ("t4", "Bo", "我把钥匙放在门口的蓝色花盆下面。"),
    ("t5", "Ida", "We row to the island every second Sunday."),
)


def raw_record(*questions: Mapping[str, Any], id: str = "r1") -> dict[str, Any]:
    return {
        "id": id,
        "language": "en",
        "sessions": [
            {
                "session_id": "s1",
                "date": "2025-03-01",
                "turns": [{"id": i, "speaker": who, "text": text} for i, who, text in TURNS],
            }
        ],
        "questions": list(questions),
    }


def asking(text: str, evidence: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    return {"id": text, "question": text, "category": "single", "evidence": list(evidence), **more}


def record(*questions: Mapping[str, Any], id: str = "r1") -> Record:
    return record_of(raw_record(*questions, id=id))


def turn(id: str) -> str:
    """What a turn says, as a hit quotes it."""
    return next(f"{who}: {text}" for i, who, text in TURNS if i == id)


def hit(id: str, score: float | None = None) -> Found:
    return Found(text=turn(id), sources=(id,), score=score)


def write_pack(path: Path, *records: Mapping[str, Any]) -> Path:
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), encoding="utf-8")
    return path


class Scripted:
    """Answers each question with the hits given for it."""

    def __init__(
        self,
        answers: Mapping[str, Sequence[Found]],
        contexts: Mapping[int, str] | None = None,
        trace: str | None = None,
    ) -> None:
        self._answers, self._contexts, self._trace = answers, contexts or {}, trace
        self.asked: list[tuple[str, datetime | None]] = []
        self.closed = False

    def search(self, question: str, limit: int, at: datetime | None) -> Sequence[Found]:
        self.asked.append((question, at))
        return list(self._answers.get(question, ()))[:limit]

    def context(self, question: str, max_tokens: int, at: datetime | None) -> str | None:
        return self._contexts.get(max_tokens)

    def trace(self, question: str, expected: str, at: datetime | None) -> str | None:
        return None if self._trace is None else f"{expected}: {self._trace}"

    def close(self) -> None:
        self.closed = True


def scripted(answers: Mapping[str, Sequence[Found]]) -> Factory:
    return lambda record: Scripted(answers)
