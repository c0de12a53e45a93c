"""Recorded replies of a model: asked once, replayed in tests and gates without it; docs/evaluation.md has the format.

A file of JSON lines, one reply a line, found by prompt, model and input. It holds what the model answered and a hash of
what it was asked: no prompt, no key, no address of an endpoint.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from keepstone import config
from keepstone.chat import ChatReply, ChatRequest, ToolCall
from keepstone.contract import Clock
from keepstone.errors import ConfigError, InvalidRequestError, ProviderError
from keepstone.logic.distillation.prompts import VERSION, wording
from keepstone.protocols import ChatModel
from keepstone.types import plain

FORMAT = "keepstone-recording/1"
_START = f'{{"format": "{FORMAT}"'.encode()
FINISHES: Mapping[str, Literal["stop", "length", "refusal"]] = {
    "stop": "stop",
    "length": "length",
    "refusal": "refusal",
}
_FIELDS = frozenset({"format", "key", "prompt", "model", "input", "reply", "recorded_at"})
_REPLY_FIELDS = frozenset({"text", "model", "tool_calls", "finish", "input_tokens", "output_tokens"})
_HASH = re.compile("[0-9a-f]{64}")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One recorded reply: what answered which prompt, and the hash of the input that it answered.

    `model` is the name of the model that was asked; the reply has the one that its provider gave. Price and time are
    not kept, since a replay costs nothing.
    """

    prompt: str
    model: str
    input_hash: str
    reply: ChatReply
    recorded_at: datetime

    @property
    def key(self) -> str:
        """What a request is found by."""
        return key_of(self.prompt, self.model, self.input_hash)

    def line(self) -> str:
        """Return the reply as its line of the file."""
        reply = self.reply
        raw = {
            "format": FORMAT,
            "key": self.key,
            "prompt": self.prompt,
            "model": self.model,
            "input": self.input_hash,
            "reply": {
                "text": reply.text,
                "model": reply.model,
                "tool_calls": plain(reply.tool_calls),
                "finish": reply.finish,
                "input_tokens": reply.input_tokens,
                "output_tokens": reply.output_tokens,
            },
            "recorded_at": self.recorded_at.isoformat(),
        }
        text = json.dumps(raw, ensure_ascii=False)
        # Half of a surrogate pair can be in a reply and cannot be in UTF-8; escaped it can.
        return (json.dumps(raw) if _SURROGATE.search(text) else text) + "\n"


def input_hash(request: ChatRequest) -> str:
    """Return the SHA-256 over what the model is shown: messages, schema and tools, as JSON with sorted keys."""
    shown = {"messages": plain(request.messages), "schema": plain(request.schema), "tools": plain(request.tools)}
    canonical = json.dumps(shown, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def key_of(prompt: str, model: str, hashed: str) -> str:
    """Return the key of a reply: the SHA-256 over prompt, model and input hash."""
    return hashlib.sha256(json.dumps([prompt, model, hashed]).encode()).hexdigest()


def read_recording(path: Path) -> dict[str, Recorded]:
    """Return the replies at *path* by their keys, in the order of the file.

    Raises:
        InvalidRequestError: the file cannot be read, a line is no recorded reply, or a key stands twice; the message
            has the line and the fault.
    """
    found: dict[str, Recorded] = {}
    for number, line in enumerate(_lines(path), start=1):
        try:
            recorded = recorded_of(line)
        except InvalidRequestError as error:
            raise InvalidRequestError(f"{path}, line {number}: {error}") from error
        if recorded.key in found:
            raise InvalidRequestError(f"{path}, line {number}: the key {recorded.key[:12]}… stands twice.")
        found[recorded.key] = recorded
    return found


def faults_of(path: Path) -> tuple[list[Recorded], list[str]]:
    """Return the replies at *path*, and what is wrong with the file, each fault with its line.

    Faults are those of `read_recording`, and prompts of another version than this Keepstone's: it does not ask them, so
    their replies are never replayed.

    Raises:
        InvalidRequestError: the file cannot be read.
    """
    found: dict[str, Recorded] = {}
    faults: list[str] = []
    for number, line in enumerate(_lines(path), start=1):
        try:
            recorded = recorded_of(line)
        except InvalidRequestError as error:
            faults.append(f"line {number}: {error}")
            continue
        if recorded.key in found:
            faults.append(f"line {number}: the key {recorded.key[:12]}… stands twice.")
        if not is_known_prompt(recorded.prompt):
            faults.append(f"line {number}: {recorded.prompt!r} is no prompt of this version; record it anew.")
        found.setdefault(recorded.key, recorded)
    return list(found.values()), faults


def is_known_prompt(name: str) -> bool:
    """Return True if *name* is that of a prompt in the version and one of the languages that this Keepstone asks."""
    strategy, _, rest = name.partition("/")
    version, _, language = rest.partition("/")
    return bool(strategy) and version == VERSION and wording(language).language == language


def recorded_of(line: str) -> Recorded:
    """Return the reply that *line* holds.

    Raises:
        InvalidRequestError: it is no recorded reply, has a field that the format does not, or its key is another's.
    """
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(f"not JSON ({error}).") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise InvalidRequestError(f"not a line of a recording ({FORMAT}).")
    if wrong := sorted(raw.keys() ^ _FIELDS):
        raise InvalidRequestError(f"{wrong[0]!r} is missing or does not belong there.")
    hashed = _text(raw, "input")
    if not _HASH.fullmatch(hashed):
        raise InvalidRequestError("'input' is not a SHA-256 in hexadecimal digits.")
    recorded = Recorded(
        prompt=_text(raw, "prompt"),
        model=_text(raw, "model"),
        input_hash=hashed,
        reply=_reply(raw["reply"]),
        recorded_at=_moment(raw["recorded_at"]),
    )
    if raw["key"] != recorded.key:
        raise InvalidRequestError("'key' is not that of its prompt, model and input: the line was changed by hand.")
    return recorded


class RecordingChatModel:
    """A `ChatModel` that asks *model* and keeps each reply in the file at *path*, durably, before it is returned.

    What the file holds already is not asked again, so an interrupted recording goes on where it stopped. A line that
    was half written when the process ended is cut off. `asked` and `kept` are the replies that came from the model
    and from the file, `failures` what the model raised: whoever runs a memory with it looks at them, since a memory
    goes on without a model that fails. One process may write a file at a time.
    """

    def __init__(self, model: ChatModel, path: Path, *, clock: Clock = config.utc_now) -> None:
        self._model, self._path, self._clock = model, path, clock
        _end_with_whole_line(path)
        self._known = read_recording(path) if path.exists() else {}
        self._asking: dict[str, asyncio.Lock] = {}
        self.asked: list[ChatReply] = []
        self.kept: list[ChatReply] = []
        self.failures: list[ProviderError] = []

    @property
    def name(self) -> str:
        """The name of the model inside."""
        return self._model.name

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Return the recorded reply, or that of the model, recorded.

        Raises:
            ProviderError: the model failed; nothing is recorded.
            ConfigError: the file cannot be written.
        """
        hashed = input_hash(request)
        key = key_of(request.prompt, self.name, hashed)
        async with self._asking.setdefault(key, asyncio.Lock()):
            if (known := self._known.get(key)) is not None:
                self.kept.append(known.reply)
                return known.reply
            reply = await self._ask(request)
            recorded = Recorded(
                prompt=request.prompt, model=self.name, input_hash=hashed, reply=reply, recorded_at=self._clock()
            )
            await asyncio.to_thread(_append, self._path, recorded.line())
            self._known[key] = recorded
            self.asked.append(reply)
            return reply

    async def _ask(self, request: ChatRequest) -> ChatReply:
        try:
            return await self._model.reply(request)
        except ProviderError as error:
            self.failures.append(error)
            # A recording is stopped and gone on with later; waiting for another try would hold it up for good, since
            # its clock stands.
            error.retryable = False
            raise

    async def close(self) -> None:
        """Release the connections of the model inside."""
        release = getattr(self._model, "close", None)
        if release is not None:
            await release()


class ReplayingChatModel:
    """A `ChatModel` that answers from the recording at *path*, and from nothing else.

    *model* is the name of the recorded model; it may be left out if the file has only one. `replayed` counts the
    answers; `failures` are the misses: whoever runs a memory with it looks at them, since a memory goes on without a
    model that fails.
    """

    def __init__(self, path: Path, model: str | None = None) -> None:
        self._path = path
        self._replies = read_recording(path)
        models = sorted({r.model for r in self._replies.values()})
        if not models:
            raise ConfigError(f"{path} is empty: there is no reply to replay.")
        if model is None and len(models) > 1:
            raise ConfigError(f"{path} has replies of several models, name one: {', '.join(models)}.")
        self._model = model or models[0]
        if self._model not in models:
            raise ConfigError(f"{path} has no reply of {self._model!r}, only of {', '.join(models)}.")
        self.replayed = 0
        self.failures: list[ProviderError] = []

    @property
    def name(self) -> str:
        """The name of the model whose replies these are."""
        return self._model

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Return the recorded reply.

        Raises:
            ProviderError: the recording has none for this prompt, model and input; trying again cannot help.
        """
        key = key_of(request.prompt, self._model, input_hash(request))
        recorded = self._replies.get(key)
        if recorded is None:
            miss = ProviderError("recording", self._missing(key, request.prompt), retryable=False)
            self.failures.append(miss)
            raise miss
        self.replayed += 1
        return recorded.reply

    def _missing(self, key: str, prompt: str) -> str:
        said = prompt or "a prompt without a name"
        prompts = sorted({r.prompt for r in self._replies.values() if r.model == self._model})
        why = "another input was recorded for it" if prompt in prompts else f"recorded are {', '.join(prompts)}"
        return (
            f"{self._path} has no reply of {self._model} to {said} under the key {key} ({why}). Record what is "
            f"missing: keepstone eval record PACK --model {self._model} --out {self._path}"
        )


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{path} cannot be read: {error}.") from error
    # Not splitlines(): a reply may hold other separators of lines, which JSON leaves as they are.
    return text.removesuffix("\n").split("\n") if text else []


def _end_with_whole_line(path: Path) -> None:
    """Give the last line its end, or cut it off if it was half written: then nobody was told of that reply."""
    try:
        written = path.read_bytes() if path.exists() else b""
        whole = written.rfind(b"\n") + 1
        last = written[whole:]
        if not last:
            return
        if not last.startswith(_START[: len(last)]):
            raise InvalidRequestError(f"{path} is not a recording ({FORMAT}); nothing was written to it.")
        with path.open("r+b") as file:
            if last.endswith(b"}") and _is_recorded(last):
                file.seek(0, os.SEEK_END)
                file.write(b"\n")
            else:
                file.truncate(whole)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error


def _is_recorded(line: bytes) -> bool:
    try:
        recorded_of(line.decode("utf-8", "replace"))
    except InvalidRequestError:
        return False
    return True


def _append(path: Path, line: str) -> None:
    try:
        with path.open("ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error


def _reply(raw: Any) -> ChatReply:
    if not isinstance(raw, dict):
        raise InvalidRequestError("'reply' is not an object.")
    if wrong := sorted(raw.keys() ^ _REPLY_FIELDS):
        raise InvalidRequestError(f"{wrong[0]!r} is missing from the reply or does not belong there.")
    finish = FINISHES.get(_text(raw, "finish"))
    if finish is None:
        raise InvalidRequestError(f"'finish' is not one of {', '.join(FINISHES)}.")
    if not isinstance(raw["tool_calls"], list) or not all(isinstance(c, dict) for c in raw["tool_calls"]):
        raise InvalidRequestError("'tool_calls' is not a list of objects.")
    return ChatReply(
        text=_text(raw, "text"),
        model=_text(raw, "model"),
        tool_calls=tuple(ToolCall(name=_text(c, "name"), arguments=_text(c, "arguments")) for c in raw["tool_calls"]),
        finish=finish,
        input_tokens=_count(raw, "input_tokens"),
        output_tokens=_count(raw, "output_tokens"),
    )


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    if not isinstance(value, str):
        raise InvalidRequestError(f"{name!r} is missing or not a string.")
    return value


def _count(raw: Mapping[str, Any], name: str) -> int | None:
    value = raw[name]
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise InvalidRequestError(f"{name!r} is not a count.")
    return value


def _moment(value: object) -> datetime:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise InvalidRequestError("'recorded_at' is not a time.") from error
    if at.tzinfo is None:
        raise InvalidRequestError("'recorded_at' has no zone.")
    return at
