"""What goes wrong with chat models, by name: each fault makes of a good reply one that a test must survive."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from keepstone.chat import ChatReply
from keepstone.errors import BadReplyError, ProviderError, RateLimitError, TimedOutError

Reply: TypeAlias = Mapping[str, Any]
ChatFault: TypeAlias = Callable[[Reply], ChatReply | ProviderError]

NAME = "scripted"
DEPTH = 50_000
HUGE_ITEMS = 2_000
HUGE_CHARACTERS = 200_000

# A change for good replies that propose none: a fault needs something to spoil.
SOME_CHANGE: Reply = {
    "op": "add",
    "target": None,
    "text": "Plays the cello.",
    "kind": "fact",
    "section": "preferences",
    "sources": ["m1"],
    "when": None,
    "valid_from": None,
    "valid_to": None,
    "confidence": 0.9,
    "entities": [],
    "rests_on": [],
}


class EndlessReplyError(BadReplyError):
    """The provider did not stop sending: what a caller gets after the limit in bytes."""


class CutReplyError(ProviderError):
    """The connection ended in the middle of the reply."""


def _said(content: object, finish: Literal["stop", "length", "refusal"] = "stop") -> ChatReply:
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return ChatReply(text=text, model=NAME, finish=finish)


def _changes(good: Reply) -> list[dict[str, Any]]:
    return copy.deepcopy([dict(c) for c in good.get("changes", ())]) or [dict(SOME_CHANGE)]


def _each(good: Reply, change: Callable[[dict[str, Any]], None]) -> ChatReply:
    changes = _changes(good)
    for item in changes:
        change(item)
    return _said({**good, "changes": changes})


def timeout(good: Reply) -> ProviderError:
    """No answer in time."""
    return TimedOutError(NAME, "no answer in time", retryable=True)


def rate_limited(good: Reply) -> ProviderError:
    """429, more often than the retries allow."""
    return RateLimitError(NAME, "answered 429: slow down", retryable=True, retry_after=0.0)


def overloaded(good: Reply) -> ProviderError:
    """503, more often than the retries allow."""
    return ProviderError(NAME, "answered 503: overloaded", retryable=True, retry_after=0.0)


def refusal(good: Reply) -> ChatReply:
    """The model does not want to."""
    return _said("I can't help with that.", "refusal")


def truncated_json(good: Reply) -> ChatReply:
    """The answer stops in the middle, at the limit of tokens."""
    text = json.dumps({**good, "changes": _changes(good)}, ensure_ascii=False)
    return _said(text[: len(text) * 2 // 3], "length")


def invalid_json(good: Reply) -> ChatReply:
    """JSON with a comma too many and Python's constants."""
    text = json.dumps({**good, "changes": _changes(good)}, ensure_ascii=False)
    return _said(text.replace("null", "None")[:-1] + ",}")


def wrong_schema(good: Reply) -> ChatReply:
    """JSON of another shape: the right texts under the wrong names."""
    return _said({"facts": [c["text"] for c in _changes(good)], "changes": "see facts"})


def unknown_handles(good: Reply) -> ChatReply:
    """Memories and messages that were not shown."""

    def change(item: dict[str, Any]) -> None:
        item.update(op="update", target="k987", sources=["m987"])

    return _each(good, change)


def foreign_ids(good: Reply) -> ChatReply:
    """Ids of our kind instead of handles, and somebody else's scope."""

    def change(item: dict[str, Any]) -> None:
        stranger = "01938f6e-0000-7000-8000-00000000beef"
        item.update(op="update", target=stranger, sources=[stranger], rests_on=[stranger])
        item.update(user_id="somebody-else", tenant="other")

    return _each(good, change)


def invented_numbers(good: Reply) -> ChatReply:
    """A number and a date that nobody said."""

    def change(item: dict[str, Any]) -> None:
        chinese = _is_chinese(item["text"])
        item["text"] += "这件事花了八千七百三十一元。" if chinese else " It cost 8,731 euros."
        item.update(op="add", target=None, valid_from="1987-03-14", when="1987-03-14")

    return _each(good, change)


def wrong_language(good: Reply) -> ChatReply:
    """Chinese for what was said in English, and the other way round."""

    def change(item: dict[str, Any]) -> None:
        item["text"] = "Likes to go out in the evening." if _is_chinese(item["text"]) else "他喜欢晚上出去走走。"

    return _each(good, change)


def endless_stream(good: Reply) -> ProviderError:
    """The reply does not end."""
    return EndlessReplyError(NAME, "the reply did not end", retryable=True)


def cut_body(good: Reply) -> ProviderError:
    """The connection ends in the middle of the reply."""
    return CutReplyError(NAME, "cannot be reached: the connection ended", retryable=True)


def empty(good: Reply) -> ChatReply:
    """Nothing at all."""
    return _said("")


def not_json_prose(good: Reply) -> ChatReply:
    """Friendly words instead of JSON."""
    return _said("Sure! Here is what I would remember: " + " ".join(c["text"] for c in _changes(good)))


def duplicate_items(good: Reply) -> ChatReply:
    """Everything three times."""
    return _said({**good, "changes": _changes(good) * 3})


def deep_nesting(good: Reply) -> ChatReply:
    """JSON nested deeper than a parser likes."""
    return _said('{"changes": ' + "[" * DEPTH + "]" * DEPTH + "}")


def huge(good: Reply) -> ChatReply:
    """More items than anybody said, one of them a book."""
    first, *_ = changes = _changes(good)
    items = [{**first, "text": f"{first['text']} ({n})"} for n in range(100, HUGE_ITEMS)]
    book = {**first, "text": (first["text"] or "word ") * (HUGE_CHARACTERS // max(1, len(first["text"])))}
    return _said({**good, "changes": [*changes, *items, book]})


def _is_chinese(text: str) -> bool:
    return any("\u3400" <= c <= "\u9fff" for c in text)


CHAT_FAULTS: Mapping[str, ChatFault] = {
    fault.__name__: fault
    for fault in (
        timeout,
        rate_limited,
        overloaded,
        refusal,
        truncated_json,
        invalid_json,
        wrong_schema,
        unknown_handles,
        foreign_ids,
        invented_numbers,
        wrong_language,
        endless_stream,
        cut_body,
        empty,
        not_json_prose,
        duplicate_items,
        deep_nesting,
        huge,
    )
}
