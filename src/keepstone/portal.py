"""One event loop in a background thread, for callers that cannot wait: what `Memory` runs its verbs on.

The loop's thread is a daemon, made when first needed, and made anew in a forked child.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from keepstone.errors import InvalidRequestError

T = TypeVar("T")


class Portal:
    """Runs coroutines on one loop in a background thread, for threads that have none or have their own."""

    def __init__(self) -> None:
        self._forget()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return what *coroutine* returns, or raise what it raises.

        Raises:
            InvalidRequestError: called from the portal's own loop, where waiting would never end.
        """
        if self._pid != os.getpid():
            self._forget()
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise InvalidRequestError("Memory was called from its own event loop; use AsyncMemory there.")
        return asyncio.run_coroutine_threadsafe(coroutine, self._running()).result()

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="keepstone-portal", daemon=True)
                self._thread.start()
            return self._loop


portal = Portal()
