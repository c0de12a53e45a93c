"""From what is to be read to a prompt: instructions, known memories, earlier messages, new messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from keepstone.chat import ChatMessage, ChatRequest
from keepstone.logic.distillation.material import Material, Piece
from keepstone.logic.distillation.prompts import Wording, prompt_name, wording
from keepstone.logic.distillation.schema import reply_schema, tools
from keepstone.results import Refused
from keepstone.types import LedgerMessage, MemoryRecord, Status

SINGLE_PASS = "single_pass"
TWO_STEP = "two_step"

# A reply may be longer than what it was given, but not without end.
REPLY_TOKENS_MAX = 4_000
DEDUCED_TOKENS_MAX = 1_500
EARLIER_CHARS_MAX = 600


def single_pass(material: Material) -> ChatRequest:
    """Return the one prompt of the default strategy."""
    words = wording(material.language)
    return ChatRequest(
        messages=(
            ChatMessage(role="system", content=_system(words.system, material, words)),
            ChatMessage(role="user", content=_body(material, words)),
        ),
        schema=reply_schema(procedures=material.procedures),
        schema_name="changes",
        max_output_tokens=REPLY_TOKENS_MAX,
        prompt=prompt_name(SINGLE_PASS, words),
    )


def repair(request: ChatRequest, reply: str, refused: Sequence[Refused], material: Material) -> ChatRequest:
    """Return the prompt that asks once more for the changes that were *refused*."""
    words = wording(material.language)
    reasons = "\n".join(f"- {r.text}: {r.detail}" for r in refused)
    return _again(request, reply, words.refused.format(reasons=reasons))


def reread(request: ChatRequest, reply: str, reason: str, material: Material) -> ChatRequest:
    """Return the prompt that asks once more for a reply that could not be read."""
    return _again(request, reply, wording(material.language).unreadable.format(reason=reason))


def deduction(material: Material) -> ChatRequest:
    """Return the first prompt of the two-step method: memories as bullet points."""
    words = wording(material.language)
    return ChatRequest(
        messages=(
            ChatMessage(role="system", content=_system(words.deduce, material, words)),
            ChatMessage(role="user", content=_spoken(material, words)),
        ),
        max_output_tokens=DEDUCED_TOKENS_MAX,
        prompt=prompt_name(TWO_STEP, words),
    )


def choice(material: Material, deduced: Sequence[str]) -> ChatRequest:
    """Return the second prompt of the two-step method: calls of tools against the known memories."""
    words = wording(material.language)
    facts = "\n".join(f"- {d}" for d in deduced)
    return ChatRequest(
        messages=(
            ChatMessage(role="system", content=words.choose),
            ChatMessage(role="user", content=f"{_known(material, words)}\n\n{words.facts}\n{facts}"),
        ),
        tools=tools(),
        max_output_tokens=REPLY_TOKENS_MAX,
        prompt=prompt_name(TWO_STEP, words),
    )


def spoken_line(handle: str, message: LedgerMessage, text: str, words: Wording) -> str:
    """Return one message as the prompt shows it, as in `[m3] 2025-01-07 User: …`."""
    return f"[{handle}] {said_at(message):%Y-%m-%d} {speaker(message, words)}: {text}"


def speaker(message: LedgerMessage, words: Wording) -> str:
    """Return how the prompt calls who said a message."""
    if message.name:
        return message.name
    chinese = {"user": "用户", "assistant": "助手"}
    return chinese.get(message.role, message.role) if words.language == "zh" else message.role.capitalize()


def said_at(message: LedgerMessage) -> datetime:
    """Return when a message was said; of one whose time is not stated, when it came in."""
    return message.occurred_at or message.recorded_at


def _again(request: ChatRequest, reply: str, wish: str) -> ChatRequest:
    said = ChatMessage(role="assistant", content=reply or "…")
    return replace(request, messages=(*request.messages, said, ChatMessage(role="user", content=wish)))


def _system(text: str, material: Material, words: Wording) -> str:
    parts = [text]
    if material.procedures:
        parts.append(words.procedures)
    if material.instructions:
        parts.append(words.instructions.format(text=material.instructions))
    return "\n\n".join(parts)


def _body(material: Material, words: Wording) -> str:
    return f"{_known(material, words)}\n\n{_spoken(material, words)}"


def _known(material: Material, words: Wording) -> str:
    if not material.known:
        return words.nothing_known
    return "\n".join((words.known, *(_memory(h, r, words) for h, r in material.known_by_handle().items())))


def _spoken(material: Material, words: Wording) -> str:
    parts: list[str] = []
    if material.earlier:
        parts.append("\n".join((words.earlier, *_earlier(material, words))))
    parts.append("\n".join((words.new, *_new(material.new_by_handle().items(), words))))
    return "\n\n".join(parts)


def _new(of: Iterable[tuple[str, Piece]], words: Wording) -> Iterable[str]:
    return (spoken_line(handle, piece.message, piece.text, words) for handle, piece in of)


def _earlier(material: Material, words: Wording) -> Iterable[str]:
    for handle, message in material.earlier_by_handle().items():
        text = message.content
        if len(text) > EARLIER_CHARS_MAX:
            text = f"{text[:EARLIER_CHARS_MAX]}…"
        yield spoken_line(handle, message, text, words)


def _memory(handle: str, record: MemoryRecord, words: Wording) -> str:
    """Return a known memory as the prompt shows it, as in `[k2] (fact, since 2024-05-01) …`."""
    since = record.valid_from or record.occurred_at
    facts = [record.kind.value]
    if since is not None:
        facts.append(f"{words.since} {since:%Y-%m-%d}")
    if record.valid_to is not None and record.status is not Status.CURRENT:
        facts.append(f"{words.until} {record.valid_to:%Y-%m-%d}")
    return f"[{handle}] ({', '.join(facts)}) {record.text}"
