"""The default source of ids: time-ordered within a process, unguessable across them."""

from __future__ import annotations

import os
import threading
from datetime import datetime

from keepstone.logic.ids import uuid7


class IdSource:
    """Makes UUIDv7 ids, each greater than the one before in this object; safe for threads.

    Called with the moment and the bucket of the partition that the id belongs to.
    """

    def __init__(self) -> None:
        self._renew()
        self._last = 0
        self._order = 0

    def __call__(self, at: datetime, bucket: int) -> str:
        """Return the next id."""
        if self._pid != os.getpid():
            # A thread of the parent may have held the lock when this process was forked.
            self._renew()
        milliseconds = int(at.timestamp() * 1000)
        with self._lock:
            if milliseconds > self._last:
                self._last, self._order = milliseconds, 0
            else:
                self._order += 1
                if self._order > 0xFFF:
                    self._last, self._order = self._last + 1, 0
            milliseconds, order = self._last, self._order
        return uuid7(milliseconds, order, bucket, int.from_bytes(os.urandom(6), "big"))

    def _renew(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
