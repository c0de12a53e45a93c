"""Reading JSON one item at a time: lines, or the items of one array, in memory bounded by the largest item."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from keepstone.errors import InvalidRequestError, LimitError

ITEM_BYTES_MAX = 256_000_000
_CHUNK_BYTES = 1 << 16
_SPACE = b" \t\r\n"
_MARK = codecs.BOM_UTF8


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One JSON object of the input; `place` says where it stood, for errors."""

    value: dict[str, Any]
    place: str


def items(stream: io.BufferedReader, *, item_bytes_max: int = ITEM_BYTES_MAX) -> Iterator[Item]:
    """Yield the objects of JSON lines, or those of one JSON array.

    Raises:
        InvalidRequestError: something is not JSON, not UTF-8 or not an object; all before it was yielded.
        LimitError: one item is larger than *item_bytes_max*.
    """
    if stream.peek(len(_MARK)).startswith(_MARK):
        stream.read(len(_MARK))
    line = 1
    while (first := stream.peek(1)[:1]) and first in _SPACE:
        line += stream.read(1) == b"\n"
    return _array(stream, item_bytes_max) if first == b"[" else _lines(stream, line, item_bytes_max)


def _lines(stream: io.BufferedReader, line: int, bytes_max: int) -> Iterator[Item]:
    while raw := stream.readline(bytes_max + 1):
        place = f"line {line}"
        if len(raw) > bytes_max:
            raise LimitError(f"{place} is longer than {bytes_max} bytes.")
        if raw.strip(_SPACE):
            try:
                value = json.loads(raw.decode())
            except UnicodeDecodeError as error:
                raise InvalidRequestError(f"{place} is not UTF-8 (byte {error.start}).") from error
            except json.JSONDecodeError as error:
                raise InvalidRequestError(f"{place} is not JSON: {error.msg} at column {error.colno}.") from error
            except (RecursionError, ValueError) as error:
                raise InvalidRequestError(f"{place} is nested too deep, or holds a number too large.") from error
            yield _object(value, place)
        line += 1


def _array(stream: io.BufferedReader, bytes_max: int) -> Iterator[Item]:
    text = _ArrayText(stream, bytes_max)
    text.skip("[")
    number = 0
    while text.next_is_item():
        number += 1
        place = f"item {number}"
        yield _object(text.item(place), place)


class _ArrayText:
    """The text of one JSON array, read as far as needed; `buffer` begins with what comes next."""

    def __init__(self, stream: io.BufferedReader, bytes_max: int) -> None:
        self._stream, self._bytes_max = stream, bytes_max
        self._decode = codecs.getincrementaldecoder("utf-8")()
        self._json = json.JSONDecoder()
        self._ended = False
        self.buffer = ""

    def skip(self, mark: str) -> None:
        """Pass over *mark*, which comes next."""
        self._fill()
        self.buffer = self.buffer[len(mark) :]

    def next_is_item(self) -> bool:
        """Pass over what stands between items; return False at the end of the array."""
        while True:
            self.buffer = self.buffer.lstrip(" \t\r\n,")
            if self.buffer:
                return not self.buffer.startswith("]")
            if not self._fill():
                raise InvalidRequestError("The file ends inside its list: it was cut off.")

    def item(self, place: str) -> Any:
        """Return the value that comes next, and pass over it."""
        while True:
            try:
                value, end = self._json.raw_decode(self.buffer)
            except RecursionError as error:
                raise InvalidRequestError(f"{place} is nested too deep.") from error
            except ValueError as error:
                if len(self.buffer) > self._bytes_max:
                    raise LimitError(f"{place} is longer than {self._bytes_max} characters, or not JSON.") from error
                # Doubling keeps the work of trying again linear in the size of the item.
                if not self._fill(len(self.buffer)):
                    raise InvalidRequestError(f"{place} is not JSON, or was cut off: {error}.") from error
                continue
            self.buffer = self.buffer[end:]
            return value

    def _fill(self, size: int = 0) -> bool:
        """Read at least *size* bytes more; return False if there were none."""
        if self._ended:
            return False
        raw = self._stream.read(max(size, _CHUNK_BYTES))
        self._ended = not raw
        try:
            self.buffer += self._decode.decode(raw, final=self._ended)
        except UnicodeDecodeError as error:
            raise InvalidRequestError("The file is not UTF-8.") from error
        return not self._ended


def _object(value: object, place: str) -> Item:
    if not isinstance(value, dict):
        raise InvalidRequestError(f"{place} is a {type(value).__name__}, not a JSON object.")
    return Item(value=value, place=place)
