"""What was recalled lately, owner by owner: bounded, in the memory of the process, for the rule about echoes."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterable

from keepstone.types import MemoryRecord, Scope

TEXTS_MAX = 200
OWNERS_MAX = 256

_Owner = tuple[str, tuple[str, str] | None]


class Recalled:
    """The last texts that searches returned to each owner, the newest last; the owner served last goes last.

    Safe for threads, and after a fork. Another process has its own.
    """

    def __init__(self, texts_max: int = TEXTS_MAX, owners_max: int = OWNERS_MAX) -> None:
        self._texts_max, self._owners_max = texts_max, owners_max
        self._owners: OrderedDict[_Owner, OrderedDict[str, str]] = OrderedDict()
        self._lock, self._pid = threading.Lock(), os.getpid()

    def enter(self, records: Iterable[MemoryRecord]) -> None:
        """Take note of memories that are handed out."""
        with self._held():
            for record in records:
                owner = _owner(record.scope)
                texts = self._owners.setdefault(owner, OrderedDict())
                self._owners.move_to_end(owner)
                texts.pop(record.id, None)
                texts[record.id] = record.text
                if len(texts) > self._texts_max:
                    texts.popitem(last=False)
            while len(self._owners) > self._owners_max:
                self._owners.popitem(last=False)

    def texts(self, scope: Scope) -> list[tuple[str, str]]:
        """Return id and text of what the owner of *scope* was shown, the newest first."""
        if not self._owners:
            return []
        with self._held():
            return list(reversed(self._owners.get(_owner(scope), OrderedDict()).items()))

    def _held(self) -> threading.Lock:
        # A lock that another thread held when the process was forked is never released in the child.
        if self._pid != os.getpid():
            self._lock, self._pid = threading.Lock(), os.getpid()
        return self._lock


def _owner(scope: Scope) -> _Owner:
    return (scope.tenant, scope.owner)
