"""Forks: SQLite's file locks do not follow a child, so no connection may be open while this process forks.

A child that inherits an open connection believes that its process holds the locks of it, opens its own without taking
any, and the parent's last close then removes the WAL that the child writes to.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from types import TracebackType
from typing import Protocol

PAUSE_SECONDS_MAX = 30.0
log = logging.getLogger("keepstone")


class Gate:
    """Counts the works that go on, and can be shut until all have ended."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._shut = False

    def __enter__(self) -> None:
        with self._changed:
            while self._shut:
                self._changed.wait()
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def shut(self, seconds: float) -> bool:
        """Let nobody in any more; return whether all were out within *seconds*."""
        with self._changed:
            self._shut = True
            return self._changed.wait_for(lambda: not self._inside, seconds)

    def open(self) -> None:
        """Let works in again."""
        with self._changed:
            self._shut = False
            self._changed.notify_all()


class Pausable(Protocol):
    """What holds connections that a fork must not meet."""

    def pause(self, seconds: float) -> bool:
        """Let what goes on end, close every connection, and start nothing; return whether that was done."""

    def resume(self) -> None:
        """Go on."""

    def restart(self) -> None:
        """Go on in a child: nobody else does."""


_watched: list[weakref.ref[Pausable]] = []


def watch(holder: Pausable) -> None:
    """Pause *holder* around every fork of this process, for as long as it lives."""
    _watched[:] = [r for r in _watched if r() is not None]
    _watched.append(weakref.ref(holder))


def _holders() -> list[Pausable]:
    return [h for h in [r() for r in list(_watched)] if h is not None]


def _before() -> None:
    for holder in _holders():
        if not holder.pause(PAUSE_SECONDS_MAX):
            log.warning("This process forks in the middle of a write: open the store anew in the child.")


def _in_parent() -> None:
    for holder in _holders():
        holder.resume()


def _in_child() -> None:
    for holder in _holders():
        holder.restart()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
