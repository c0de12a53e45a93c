"""A model that answers the prompt of distillation as a perfect one would, from the labels of a pack.

It knows nothing but the labels and what a prompt shows: new messages as `[m3] 2025-01-07 User: …`, known memories as
`[k2] (fact, since 2024-05-01) …`. What it would change and is not shown, it cannot change.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from keepstone.chat import ChatReply, ChatRequest
from keepstone.evaluation.pack import Record, read
from keepstone.evaluation.scoring import SPAN_TOKENS
from keepstone.logic.text import estimate_tokens

Change = dict[str, Any]

SCENARIOS = Path(__file__).parent / "scenarios"

_NEW = re.compile(r"^\[(m\d+)\] ", re.MULTILINE)
_LINE = re.compile(r"^\[(k\d+)\] \([^)]*\) (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Action:
    """What one turn changes: the text that is known after it, and the one before it that this is about."""

    op: str
    text: str
    target: str | None = None


def scenarios(language: str) -> tuple[Record, ...]:
    """Return our compact scenarios in a language."""
    return read(SCENARIOS / f"compact_{language}.jsonl").records


class Oracle:
    """A `ChatModel` for *records*.

    `repairs` are the wishes for another reply, `unanswered` the actions whose target no prompt showed; what is to be
    deleted may be gone already by the rules for requests to forget.
    """

    name = "oracle"

    def __init__(self, records: Iterable[Record]) -> None:
        self._turns: list[tuple[str, list[Action]]] = [pair for record in records for pair in _plan(record)]
        self.calls = 0
        self.repairs: list[str] = []
        self.unanswered: list[Action] = []

    async def reply(self, request: ChatRequest) -> ChatReply:
        return self.answer(request)

    def answer(self, request: ChatRequest) -> ChatReply:
        """Return the reply, for what serves it without a loop of its own."""
        self.calls += 1
        changes: list[Change] = []
        if any(m.role == "assistant" for m in request.messages):
            self.repairs.append(request.messages[-1].content)
        else:
            changes = list(self.changes(request.messages[-1].content))
        return ChatReply(text=json.dumps({"changes": changes}, ensure_ascii=False), model=self.name)

    def changes(self, shown: str) -> Iterator[Change]:
        """Yield the changes that the prompt's last message calls for."""
        known = {_plain(text): handle for handle, text in _LINE.findall(shown)}
        for handle, said in _messages(shown):
            for action in self._actions(said):
                target = None if action.target is None else known.get(_plain(action.target))
                if action.target is not None and target is None and action.op != "delete":
                    self.unanswered.append(action)
                if target is None and action.op in ("delete", "none"):
                    continue
                yield _change("add" if target is None else action.op, target, action.text, handle)

    def _actions(self, said: str) -> Iterator[Action]:
        for text, actions in self._turns:
            if said.endswith(f": {text}"):
                yield from actions


def final_texts(record: Record) -> list[str]:
    """Return what is known as current when everything went right, sorted."""
    known: list[str] = []
    for _, actions in _plan(record):
        for action in actions:
            if action.op in ("update", "supersede", "delete") and action.target in known:
                known.remove(action.target)
            if action.op in ("add", "update", "supersede"):
                known.append(action.text)
    return sorted(known)


def _plan(record: Record) -> Iterator[tuple[str, list[Action]]]:
    """The turns that change something, in order, each with what it says and its changes."""
    said, older = _said(record), _older(record)
    facts = {t: texts[0] for t, texts in said.items()}
    for turn in record.turns:
        actions = []
        for text in said.get(turn.id, ()):
            before = facts.get(older.get(turn.id, ""))
            if before is not None and text == facts[turn.id]:
                actions.append(Action("supersede", text, before))
            else:
                actions.append(Action("add", text))
        actions += _again(record, turn.id)
        actions += [Action("delete", facts[f], facts[f]) for f in _asked_to_forget(record, turn.id)]
        if actions:
            yield _plain(turn.text), actions


def _said(record: Record) -> dict[str, list[str]]:
    """What each labelled turn says: its gold texts, or the turn itself if the labels give no words for it."""
    found: dict[str, list[str]] = {}
    for entry in (e for f in ("gold_memories", "retired", "forgotten") for e in record.raw.get(f) or ()):
        first = entry["source"][0]
        found.setdefault(first, []).append(_plain(entry.get("before") or entry["text"]))
    texts = {t.id: _plain(t.text) for t in record.turns if estimate_tokens(t.text) <= SPAN_TOKENS}
    labelled = (d for q in record.questions for d in (*q.stale, *q.current, *q.distractors, *q.forbidden))
    for turn in labelled:
        if turn in texts and not any(turn in e["source"] for e in record.raw.get("gold_memories") or ()):
            found.setdefault(turn, [texts[turn]])
    return {t: texts for t, texts in found.items() if t not in _told_later(record)}


def _older(record: Record) -> dict[str, str]:
    """Which turn each turn replaces: of a question, the stale ones in the order of the record, then its current one."""
    order = {t.id: i for i, t in enumerate(record.turns)}
    found: dict[str, str] = {}
    for question in record.questions:
        if question.stale and question.current:
            newest = min(question.current, key=order.__getitem__)
            chain = [*sorted(set(question.stale) - _told_later(record), key=order.__getitem__), newest]
            found.update({new: old for old, new in pairwise(chain)})
    return found


def _told_later(record: Record) -> set[str]:
    """Stale turns of no earlier session than the current one: they tell what was, and nothing to know as current."""
    day = {t.id: n for n, s in enumerate(record.sessions) for t in s.turns}
    return {
        s for q in record.questions for s in q.stale if q.current and day[s] >= min(map(day.__getitem__, q.current))
    }


def _again(record: Record, turn: str) -> Iterator[Action]:
    """A gold memory that several turns say is told more fully by the last one (`before`), or only said again."""
    for entry in record.raw.get("gold_memories") or ():
        if turn in entry["source"][1:]:
            text, before = _plain(entry["text"]), _plain(entry.get("before", ""))
            yield Action("update", text, before) if before else Action("none", text, text)


def _asked_to_forget(record: Record, turn: str) -> list[str]:
    found = []
    for question in record.raw["questions"]:
        request = question.get("request") or []
        if turn in ([request] if isinstance(request, str) else request):
            found += question["forbidden"]
    return found


def _messages(shown: str) -> Iterator[tuple[str, str]]:
    parts = _NEW.split(shown)
    for handle, said in zip(parts[1::2], parts[2::2], strict=True):
        yield handle, _plain(said)


def _change(op: str, target: str | None, text: str, source: str) -> Change:
    return {
        "op": op,
        "target": target,
        "text": text,
        "kind": "fact",
        "section": "other",
        "sources": [source],
        "when": None,
        "valid_from": None,
        "valid_to": None,
        "confidence": 0.9,
        "entities": [],
        "rests_on": [],
    }


def _plain(text: str) -> str:
    return " ".join(text.split())
