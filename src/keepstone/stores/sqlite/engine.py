"""Connections and threads: one writer that groups commits, a few readers, and care around forks.

The file is in WAL mode with synchronous=FULL: a commit that returned survives kill -9 and power loss. Erased content
is overwritten (secure_delete). Work is handed in as plain functions of a connection and answered by futures, so that
nothing is bound to an event loop.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import apsw

from keepstone.errors import (
    KeepstoneError,
    StoreBusyError,
    StoreClosedError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
)
from keepstone.stores.sqlite import schema
from keepstone.stores.sqlite.forking import Gate, watch

T = TypeVar("T")
Work = Callable[[apsw.Connection], T]

READERS = 4
GROUP_MAX = 64
CLOSE_SECONDS_MAX = 30.0
SAFE_VERSION = 3_051_003

# Connections of a parent process that forked in the middle of a write: a child that closed them would run the parent's
# checkpoint.
_inherited: list[object] = []


class Engine:
    """Runs work on one SQLite file; every method may be called from any thread, and after a fork."""

    def __init__(self, path: Path, busy_seconds: float) -> None:
        self.path = path
        self._busy_milliseconds = int(busy_seconds * 1000)
        self._fork_hooks: list[Callable[[], None]] = []
        self._opened: list[apsw.Connection] = []
        self._local = threading.local()
        self._writer: threading.Thread | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._closed = False
        self._gate = Gate()
        self._forget()
        watch(self)

    def on_fork(self, hook: Callable[[], None]) -> None:
        """Call *hook* in a forked child before anything else is done there."""
        self._fork_hooks.append(hook)

    def read(self, work: Work[T]) -> Future[T]:
        """Run *work* on a reader's connection, inside one read transaction (a snapshot)."""
        self._check()
        with self._lock:
            if self._closed:
                raise StoreClosedError("This memory was closed.")
            if self._pool is None:
                self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="keepstone-reader")
            return self._pool.submit(self._read, work)

    def write(self, work: Work[T]) -> Future[T]:
        """Run *work* inside one write transaction, durable when the future is done.

        Works that wait together are committed together; one that fails is rolled back alone.
        """
        self._check()
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise StoreClosedError("This memory was closed.")
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_loop, name="keepstone-writer", daemon=True)
                self._writer.start()
            self._queue.put((work, future))
        return future

    def exclusive(self, work: Work[T]) -> Future[T]:
        """Run *work* on the writer's connection outside a transaction: checkpoints, VACUUM."""

        def outside(db: apsw.Connection) -> T:
            db.execute("COMMIT")
            try:
                return work(db)
            finally:
                db.execute("BEGIN IMMEDIATE")

        outside.alone = True  # type: ignore[attr-defined]
        return self.write(outside)

    def pause(self, seconds: float) -> bool:
        """Close every connection and open none until `resume`, so that a fork meets none."""
        if not self._gate.shut(seconds):
            return False
        opened, self._opened, self._local = self._opened, [], threading.local()
        for db in opened:
            db.close(True)
        return True

    def resume(self) -> None:
        """Go on after a fork, in the parent."""
        self._gate.open()

    def restart(self) -> None:
        """Go on after a fork, in the child, where the threads that might hold the gate's lock are gone."""
        self._gate = Gate()

    def files(self) -> list[Path]:
        """Return the store's files that exist."""
        beside = [self.path.with_name(self.path.name + ending) for ending in ("-wal", "-shm")]
        names = (self.path, *beside)
        return [f for f in names if f.exists()]

    def close(self) -> None:
        """Finish what was handed in, then close every connection; waits at most half a minute."""
        if self._pid != os.getpid():
            self._forget()
        with self._lock:
            if self._closed:
                return
            self._closed = True
            writer, pool = self._writer, self._pool
            self._queue.put(None)
        if writer is not None:
            writer.join(CLOSE_SECONDS_MAX)
        if pool is not None:
            pool.shutdown(wait=True)
        # Only now: work that was handed in before may have opened one more.
        for db in list(self._opened):
            db.close(True)

    def _check(self) -> None:
        if self._pid != os.getpid():
            self._forget()
        if self._closed:
            raise StoreClosedError("This memory was closed.")

    def _forget(self) -> None:
        """Start anew without touching what a parent process opened."""
        if self._opened:
            _inherited.append((self._opened, self._local))
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[tuple[Work[Any], Future[Any]] | None] = queue.SimpleQueue()
        self._writer = self._pool = None
        self._opened = []
        self._local = threading.local()
        self._prepared = False
        for hook in self._fork_hooks:
            hook()

    def _connection(self) -> apsw.Connection:
        db: apsw.Connection | None = getattr(self._local, "db", None)
        if db is None:
            db = self._open()
            self._local.db = db
            with self._lock:
                self._opened.append(db)
        return db

    def _open(self) -> apsw.Connection:
        with translated(self.path), self._lock:
            _make_folder(self.path)
            is_new = not self.path.exists()
            db = apsw.Connection(str(self.path))
            try:
                if is_new:
                    # What was said is nobody else's to read; the files beside this one follow it.
                    self.path.chmod(0o600)
                self._set_up(db)
            except BaseException:
                # A connection that could not be set up must not stay open, whatever the reason.
                db.close(True)
                raise
            return db

    def _set_up(self, db: apsw.Connection) -> None:
        db.set_busy_timeout(self._busy_milliseconds)
        if apsw.SQLITE_VERSION_NUMBER < SAFE_VERSION:
            db.wal_autocheckpoint(0)
        db.execute(
            "PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=OFF"
        )
        if not self._prepared:
            schema.found_version(db, str(self.path))
            self._to_wal(db)
            schema.prepare(db, str(self.path))
            self._prepared = True

    def _to_wal(self, db: apsw.Connection) -> None:
        # SQLite does not wait for the lock that this switch needs, so that processes which start together must.
        deadline = time.monotonic() + self._busy_milliseconds / 1000
        while True:
            try:
                mode = db.pragma("journal_mode")
                if mode != "wal":
                    mode = db.pragma("journal_mode", "wal")
                break
            except apsw.BusyError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
        if mode != "wal":
            raise StoreReadOnlyError(f"{self.path} cannot be opened for writing (journal mode {mode}).")

    def _read(self, work: Work[T]) -> T:
        with self._gate, translated(self.path):
            db = self._connection()
            db.execute("BEGIN")
            try:
                return work(db)
            finally:
                # Nothing was written; a commit can fail on a damaged file, and hide what was found there.
                if db.in_transaction:
                    db.execute("ROLLBACK")

    def _write_loop(self) -> None:
        # The thread serves one process; a child that inherits this object makes its own.
        waiting = self._queue
        while True:
            first = waiting.get()
            group = []
            while first is not None:
                if first[1].set_running_or_notify_cancel():
                    group.append(first)
                if len(group) >= GROUP_MAX or waiting.empty():
                    break
                first = waiting.get()
            if group:
                self._commit(group)
            if first is None:
                return

    def _commit(self, group: list[tuple[Work[Any], Future[Any]]]) -> None:
        results: list[tuple[Future[Any], Any, BaseException | None]] = []
        begun = False
        try:
            with self._gate, translated(self.path):
                db = self._connection()
                db.execute("BEGIN IMMEDIATE")
                begun = True
                try:
                    for work, future in group:
                        results.append((future, *_attempt(db, work, alone=len(group) == 1)))
                    db.execute("COMMIT")
                finally:
                    if db.in_transaction:
                        db.execute("ROLLBACK")
        except BaseException as error:
            # The transaction is lost, so every work in it failed; whoever waits must hear of it.
            if begun and len(group) > 1:
                for entry in group:
                    self._commit([entry])
            else:
                # What kept it from beginning keeps all: trying one by one would wait for the same lock again and again.
                for _, future in group:
                    future.set_exception(error)
            return
        for future, result, failure in results:
            if failure is not None:
                future.set_exception(failure)
            else:
                future.set_result(result)


def _attempt(db: apsw.Connection, work: Work[Any], *, alone: bool) -> tuple[Any, BaseException | None]:
    """Run *work* so that its refusal leaves the rest of the group's transaction intact."""
    if alone:
        return work(db), None
    if getattr(work, "alone", False):
        raise StoreError("This work needs a transaction of its own.")
    db.execute("SAVEPOINT work")
    try:
        result = work(db)
    except KeepstoneError as error:
        if isinstance(error, StoreError):
            raise
        db.execute("ROLLBACK TO work; RELEASE work")
        return None, error
    db.execute("RELEASE work")
    return result, None


def in_thread(work: Callable[[], None]) -> Future[None]:
    """Run *work* in a thread of its own."""
    future: Future[None] = Future()

    def run() -> None:
        try:
            work()
            future.set_result(None)
        except BaseException as error:
            # Whatever it was, whoever waits must hear of it.
            future.set_exception(error)

    threading.Thread(target=run, name="keepstone-close", daemon=True).start()
    return future


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreReadOnlyError(f"The folder {path.parent} cannot be made: {error.strerror}.") from error


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, each with what to do next."""
    try:
        yield
    except (apsw.BusyError, apsw.LockedError) as error:
        raise StoreBusyError(f"{path} is held by another writer; try again.") from error
    except apsw.FullError as error:
        raise StoreFullError(f"No room left to write {path}; nothing was stored. Free some and try again.") from error
    except (apsw.ReadOnlyError, apsw.PermissionsError) as error:
        raise StoreReadOnlyError(f"{path} cannot be written by this process.") from error
    except apsw.CantOpenError as error:
        raise StoreReadOnlyError(f"{path} cannot be opened: is its folder there and writable?") from error
    except (apsw.CorruptError, apsw.NotADBError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise StoreCorruptError(
            f"{path} is damaged or is not a Keepstone store ({error}). `keepstone doctor` tells more; "
            "put a copy or an export in its place."
        ) from error
    except apsw.Error as error:
        raise StoreError(f"{path}: {error}") from error
