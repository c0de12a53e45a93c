"""Columns of numbers that grow at their end: what the in-memory index of a partition is made of."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class Column:
    """An array with room to grow; `rows` is a view of what is filled."""

    def __init__(self, dtype: Any, width: int | None = None) -> None:
        self._width = width
        self._array: Array = np.empty((0,) if width is None else (0, width), dtype=dtype)
        self._count = 0

    @property
    def rows(self) -> Array:
        """The filled part."""
        return self._array[: self._count]

    @property
    def nbytes(self) -> int:
        """Bytes taken, room to grow included."""
        return self._array.nbytes

    def extend(self, values: Any) -> None:
        """Append *values*; the room grows by a half, so that many small appends cost little."""
        added = len(values)
        if not added:
            return
        needed = self._count + added
        if needed > len(self._array):
            room = needed if self._count == 0 else max(needed, len(self._array) * 3 // 2 + 16)
            shape = (room,) if self._width is None else (room, self._width)
            grown = np.empty(shape, dtype=self._array.dtype)
            grown[: self._count] = self._array[: self._count]
            self._array = grown
        self._array[self._count : needed] = values
        self._count = needed


class Names:
    """Texts that stand in a column by number; numbers count from 0 in the order of coming."""

    def __init__(self) -> None:
        self._numbers: dict[str | None, int] = {}
        self.texts: list[str | None] = []

    def number(self, text: str | None) -> int:
        """Return the number of *text*, a new one if it is new."""
        known = self._numbers.get(text)
        if known is None:
            known = self._numbers[text] = len(self.texts)
            self.texts.append(text)
        return known


class Postings:
    """Which unit holds which term how often.

    Joined arrays are scanned for a term, which beats sorting them when a partition is opened for a few questions;
    once asked often enough they are sorted, and what comes later stands in a tail that is scanned.
    """

    SORT_AFTER = 4
    SCAN_MAX = 20_000

    def __init__(self) -> None:
        self._terms = Column(np.uint32)
        self._slots = Column(np.int32)
        self._counts = Column(np.uint8)
        self._sorted = 0
        self._asked = 0

    @property
    def nbytes(self) -> int:
        """Bytes taken."""
        return self._terms.nbytes + self._slots.nbytes + self._counts.nbytes

    def extend(self, terms: Array, counts: Array, sizes: Array, first_slot: int) -> None:
        """Append the terms of units whose slots follow each other from *first_slot*."""
        self._terms.extend(terms)
        self._counts.extend(counts)
        self._slots.extend(np.repeat(np.arange(first_slot, first_slot + len(sizes), dtype=np.int32), sizes))

    def of(self, term: int) -> tuple[Array, Array]:
        """Return the slots that hold *term*, and the counts there."""
        terms, slots, counts = self._terms.rows, self._slots.rows, self._counts.rows
        if len(terms) - self._sorted > self.SCAN_MAX:
            self._asked += 1
            if self._asked > self.SORT_AFTER:
                self._sort()
        wanted, known = np.uint32(term), terms[: self._sorted]
        low, high = np.searchsorted(known, wanted), np.searchsorted(known, wanted, side="right")
        tail = self._sorted + np.flatnonzero(terms[self._sorted :] == wanted)
        if not len(tail):
            return slots[low:high], counts[low:high]
        return np.concatenate((slots[low:high], slots[tail])), np.concatenate((counts[low:high], counts[tail]))

    def _sort(self) -> None:
        order = np.argsort(self._terms.rows, kind="stable")
        for column in (self._terms, self._slots, self._counts):
            column.rows[:] = column.rows[order]
        self._sorted, self._asked = len(order), 0
