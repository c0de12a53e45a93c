"""The default store: one SQLite file."""

from keepstone.stores.sqlite.checking import Finding
from keepstone.stores.sqlite.store import SqliteStore

__all__ = ["Finding", "SqliteStore"]
