"""Copies of a store's file that are whole: made while others write, and put back in one step.

A copy is made by SQLite's backup interface inside one read transaction, so that it holds exactly what was committed
when it began. It has its name only once it is on the disk and has been checked.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw

from keepstone.errors import ConfigError, ConflictError, StoreBusyError, StoreCorruptError, StoreReadOnlyError
from keepstone.results import Backup
from keepstone.stores.sqlite import schema
from keepstone.stores.sqlite.engine import translated

PAGES_A_STEP = 2_000
PART = ".part"
# Where SQLite locks a file: whoever has it open in WAL mode holds a part of this range.
LOCK_BYTES_AT, LOCK_BYTES = 0x40000000, 512

Progress = Callable[[int, int], None]


def copy(source: apsw.Connection, target: Path, *, force: bool = False, progress: Progress | None = None) -> Backup:
    """Copy the store of *source* into the file *target*, readable by its owner only, and check it.

    *source* is outside of a transaction, or in one that reads. *progress* is called with pages done and pages in all.

    Raises:
        ConflictError: there is such a file and not *force*, or another backup is being written there.
        StoreCorruptError: the copy does not pass SQLite's check: the store is damaged.
        StoreReadOnlyError, StoreFullError: it cannot be written there.
    """
    if target.exists() and not force:
        raise ConflictError(f"{target} is there already; --force replaces it.")
    with translated(target), _part(target) as part:
        _fill(source, part, progress)
        made = _checked(part, target)
        _sync(part)
        if force:
            part.replace(target)
        else:
            _name(part, target)
    _sync(target.parent)
    return made


@contextlib.contextmanager
def opened(path: Path) -> Iterator[apsw.Connection]:
    """Open a store's file as it is, without bringing it up to the version of this Keepstone.

    Raises:
        ConfigError: there is no such file.
        StoreCorruptError: it is no store. StoreVersionError: it is of a newer Keepstone.
    """
    if not path.is_file():
        raise ConfigError(f"There is no store at {path}.")
    with translated(path):
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            db.set_busy_timeout(10_000)
            if schema.found_version(db, str(path)) == 0:
                raise StoreCorruptError(f"{path} is an empty SQLite file, not a Keepstone store.")
            yield db
        finally:
            db.close(True)


def restore(source: Path, target: Path, *, force: bool = False, progress: Progress | None = None) -> Backup:
    """Put the store of the file *source* in the place of *target*, in one step: before it the old, after it the new.

    Raises:
        ConfigError: there is no *source*, or it is *target* itself.
        ConflictError: there is a *target* and not *force*.
        StoreBusyError: a process has *target* open.
        StoreCorruptError, StoreVersionError: *source* is damaged, no store, or of a newer Keepstone.
    """
    if target.exists() and source.resolve() == target.resolve():
        raise ConfigError("The backup and the store are the same file.")
    _make_folder(target.parent)
    with opened(source) as db:
        if not target.exists():
            return copy(db, target, progress=progress)
        if not force:
            raise ConflictError(f"{target} is there already; --force replaces it.")
        # Checked as a whole before anything of the target is touched.
        with translated(target), _part(target) as part:
            _fill(db, part, progress)
            made = _checked(part, target)
            _replace(part, target)
    _sync(target.parent)
    return made


@contextlib.contextmanager
def _snapshot(source: apsw.Connection) -> Iterator[None]:
    """Hold one read transaction: between the steps of a backup, others may write, and it must not begin anew."""
    begun = not source.in_transaction
    if begun:
        source.execute("BEGIN")
    try:
        # Only a read takes the snapshot.
        next(source.execute("SELECT count(*) FROM sqlite_master"))
        yield
    finally:
        if begun and source.in_transaction:
            source.execute("ROLLBACK")


def _fill(source: apsw.Connection, part: Path, progress: Progress | None) -> None:
    copied = apsw.Connection(str(part))
    try:
        copied.execute("PRAGMA synchronous=FULL")
        with _snapshot(source):
            _copy_pages(source, copied, progress)
        # One file and nothing beside it; who opens it as a store switches back.
        copied.pragma("journal_mode", "delete")
    finally:
        copied.close(True)


def _copy_pages(source: apsw.Connection, copied: apsw.Connection, progress: Progress | None = None) -> None:
    with copied.backup("main", source, "main") as running:
        while not running.done:
            running.step(PAGES_A_STEP)
            if progress is not None:
                progress(running.page_count - running.remaining, running.page_count)


def _checked(part: Path, target: Path) -> Backup:
    db = apsw.Connection(str(part), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        damage = next(db.execute("PRAGMA integrity_check(1)"))[0]
        if damage != "ok":
            raise StoreCorruptError(f"The copy is damaged as the store is ({damage}): `keepstone doctor` tells more.")
        counts = next(db.execute("SELECT (SELECT count(*) FROM messages), count(*) FROM memories WHERE status < 2"))
        version = schema.found_version(db, str(part))
    finally:
        db.close(True)
    return Backup(
        path=str(target),
        bytes=part.stat().st_size,
        schema_version=version,
        messages=int(counts[0]),
        memories=int(counts[1]),
    )


def _replace(part: Path, target: Path) -> None:
    """Put what *part* holds into *target*, which nobody may have open."""
    try:
        _overwrite(part, target)
    except (apsw.CorruptError, apsw.NotADBError):
        # Too damaged for SQLite to open: replaced as a file, if no process holds it.
        with _held(target):
            for ending in ("-wal", "-shm", "-journal"):
                target.with_name(target.name + ending).unlink(missing_ok=True)
            _sync(part)
            part.replace(target)


def _overwrite(part: Path, target: Path) -> None:
    """Let SQLite overwrite the old content in one transaction: a process killed meanwhile leaves the old."""
    new = apsw.Connection(str(part), flags=apsw.SQLITE_OPEN_READONLY)
    old = apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        old.execute("PRAGMA synchronous=FULL; PRAGMA secure_delete=ON")
        # Only who is alone can leave WAL mode.
        old.pragma("journal_mode", "delete")
        _copy_pages(new, old)
    except (apsw.BusyError, apsw.LockedError) as error:
        raise _is_open(target) from error
    finally:
        old.close(True)
        new.close(True)


@contextlib.contextmanager
def _held(target: Path) -> Iterator[None]:
    """Lock a file where SQLite does, without reading it."""
    try:
        import fcntl
    except ImportError:
        # Where there is no such lock, the system itself refuses to replace a file that is open.
        yield
        return
    with target.open("r+b") as stream:
        try:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB, LOCK_BYTES, LOCK_BYTES_AT)
        except OSError as error:
            raise _is_open(target) from error
        yield


def _is_open(target: Path) -> StoreBusyError:
    return StoreBusyError(f"{target} is open in another process: stop it, then restore.")


@contextlib.contextmanager
def _part(target: Path) -> Iterator[Path]:
    """An empty file beside *target*, held by this process; what a killed one left there is used again.

    Raises:
        ConflictError: another process writes there.
    """
    part = target.with_name(f".{target.name}{PART}")
    try:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreReadOnlyError(f"{target} cannot be written: {error.strerror}.") from error
    try:
        _lock(descriptor, part, target)
        os.ftruncate(descriptor, 0)
        part.with_name(part.name + "-journal").unlink(missing_ok=True)
        try:
            yield part
        finally:
            part.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, part: Path, target: Path) -> None:
    try:
        import fcntl
    except ImportError:
        return
    try:
        # Another kind of lock than SQLite's own, so that neither disturbs the other.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had it may have removed it before letting go.
        if not os.path.samestat(os.fstat(descriptor), part.stat()):
            raise FileNotFoundError(part)
    except OSError as error:
        raise ConflictError(f"Another process is writing {target}.") from error


def _name(part: Path, target: Path) -> None:
    try:
        os.link(part, target)
    except FileExistsError as error:
        raise ConflictError(f"{target} is there already; --force replaces it.") from error
    except OSError:
        # A file system without hard links.
        part.rename(target)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreReadOnlyError(f"The folder {folder} cannot be made: {error.strerror}.") from error


def _sync(path: Path) -> None:
    """Bring a file, or a folder's list of names, to the disk."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
