"""What all chat models share: how many calls run at once, who sends them, JSON asked for in words, reading usage."""

from __future__ import annotations

import asyncio
import json
import re
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from keepstone.chat import ChatMessage, ChatRequest
from keepstone.errors import ProviderError
from keepstone.transport import Answered

CONCURRENCY = 4
TIMEOUT_SECONDS = 120.0
DEADLINE_SECONDS = 300.0
REPLY_BYTES_MAX = 8_000_000
N = TypeVar("N", int, float)

_THOUGHT = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_FENCED = re.compile(r"\A\s*```[a-zA-Z]*\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)
_CJK = re.compile(r"[\u3400-\u9fff]")

ASKING_IN_ENGLISH = "Answer with one JSON value that fits this JSON schema, and with nothing else:\n"
ASKING_IN_CHINESE = "只用一个符合下面 JSON schema 的 JSON 值回答，不要写任何别的内容：\n"


class Sender(Protocol):
    """What carries a request to a provider: our transport, or a caller's own client."""

    async def ask(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        allowed: Sequence[int] = (),
        check: Callable[[Any], None] | None = None,
    ) -> Answered:
        """Return the reply; one of a status in *allowed* is returned too, not raised."""
        ...

    def failure(self, answered: Answered) -> ProviderError:
        """Return the error that a reply with a bad status stands for."""
        ...

    async def close(self) -> None:
        """Release what the running loop holds."""
        ...


class Gate:
    """Lets *most* calls run at once in each event loop; the others wait their turn."""

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ValueError("At least one call must be able to run.")
        self._most = most
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]
        self._loops = weakref.WeakKeyDictionary()

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Return what holds a place while it is entered."""
        # A semaphore that was waited for holds its loop, which would never go.
        for loop in [known for known in self._loops if known.is_closed()]:
            del self._loops[loop]
        return self._loops.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(self._most))


class Stopwatch:
    """Milliseconds since it was made."""

    def __init__(self) -> None:
        self._begin = time.perf_counter()

    def milliseconds(self) -> float:
        """Return how many have passed."""
        return (time.perf_counter() - self._begin) * 1_000


def asked_in_words(request: ChatRequest) -> tuple[ChatMessage, ...]:
    """Return the messages with the schema at the end of the system message, in the language of the messages."""
    first, *others = request.messages
    system = first if first.role == "system" else ChatMessage(role="system", content="")
    rest = others if first.role == "system" else request.messages
    asking = ASKING_IN_CHINESE if _CJK.search(first.content) else ASKING_IN_ENGLISH
    schema = json.dumps(request.schema, ensure_ascii=False, separators=(",", ":"))
    content = f"{system.content}\n\n{asking}{schema}".lstrip()
    return (replace(system, content=content), *rest)


def is_json(text: str) -> bool:
    """Return whether *text* is one JSON value."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def unwrapped(text: str) -> str:
    """Return the JSON in *text* without the thoughts before it and the fence around it; other text as it is."""
    if is_json(text):
        return text
    bare = _THOUGHT.sub("", text)
    fenced = _FENCED.match(bare)
    inner = (fenced[1] if fenced else bare).strip()
    return inner if is_json(inner) else text


def total(numbers: Sequence[N | None]) -> N | None:
    """Return the sum, None if a summand is not known."""
    known = [n for n in numbers if n is not None]
    return sum(known[1:], known[0]) if len(known) == len(numbers) else None


def count(value: Any) -> int | None:
    """Return a number of tokens as providers state it; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def amount(value: Any) -> float | None:
    """Return a price as providers state it; None for anything else."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
    return float(value) if good else None
