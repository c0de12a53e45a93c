"""The blocking interface of Mem0 as of mid-2024: change the import, keep the script.

    from keepstone.compat.mem0_2024 import Memory

Calls and results have the shapes of that time: lists of plain dicts. What differs is Keepstone: everything that is
said is kept as it was said, without a language model, in one SQLite file, and `delete` can be undone.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Self

from keepstone import Memory as Keepstone
from keepstone.errors import ConfigError, NotFoundError
from keepstone.types import Action, Change, MemoryRecord

__all__ = ["Memory"]

Row = dict[str, Any]

# What the configuration of that time could name; Keepstone has its own storage and its own embedder.
_IGNORED = ("history_db_path", "collection_name", "llm", "embedder", "graph_store", "version", "custom_prompt")
_EVENTS = {Action.ADD: "add", Action.DELETE: "delete"}


class Memory:
    """The `Memory` of Mem0 in mid-2024, kept by Keepstone.

    `Memory()` takes the default store; `Memory.from_config(config)` another path. *memory* is a Keepstone memory to
    work on instead.
    """

    def __init__(self, memory: Keepstone | None = None) -> None:
        self._memory = memory or Keepstone(actor="mem0_2024")

    @classmethod
    def from_config(cls, config_dict: Mapping[str, Any]) -> Self:
        """Return a memory at `vector_store.config.path`; settings that mean nothing here are ignored with a warning.

        Raises:
            ConfigError: a setting is unknown.
        """
        path: str | None = None
        for key, value in config_dict.items():
            if key == "vector_store":
                path = _path(value)
            elif key in _IGNORED:
                warnings.warn(f"{key} means nothing to Keepstone and is ignored.", UserWarning, stacklevel=2)
            else:
                raise ConfigError(f"Unknown setting {key!r}; known: vector_store, {', '.join(_IGNORED)}.")
        return cls(Keepstone(path, actor="mem0_2024"))

    def add(
        self,
        data: str | Sequence[Mapping[str, Any]],
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        filters: Mapping[str, Any] | None = None,
        prompt: str | None = None,
    ) -> list[Row]:
        """Keep *data*, and return what was done as `{"id", "event": "add", "data"}`.

        *filters* are further metadata, as they were then; *prompt* steered a language model and is ignored.
        """
        if prompt is not None:
            warnings.warn("prompt means nothing without a language model and is ignored.", UserWarning, stacklevel=2)
        about = {**(filters or {}), **(metadata or {})}
        ids = {k: about.pop(k, None) for k in ("user_id", "agent_id", "run_id")}
        said: Any = data if isinstance(data, str) else list(data)
        result = self._memory.add(
            said,
            user_id=user_id or ids["user_id"],
            agent_id=agent_id or ids["agent_id"],
            run_id=run_id or ids["run_id"],
            metadata=about,
        )
        return [{"id": r.id, "event": "add", "data": r.text} for r in result.memories]

    def get(self, memory_id: str) -> Row | None:
        """Return one memory, None if there is none."""
        try:
            return _row(self._memory.get(memory_id))
        except NotFoundError:
            return None

    def get_all(
        self,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        limit: int = 100,
    ) -> list[Row]:
        """Return up to *limit* memories; without any id, those of everybody."""
        page = self._memory.get_all(
            user_id=user_id,
            agent_id=agent_id,
            run_id=run_id,
            limit=limit,
            all_scopes=not (user_id or agent_id or run_id),
        )
        return [_row(r) for r in page.items]

    def search(
        self,
        query: str,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        limit: int = 100,
        filters: Mapping[str, Any] | None = None,
    ) -> list[Row]:
        """Return up to *limit* memories that match *query*, best first, each with its `score`."""
        where = dict(filters or {})
        ids = {k: where.pop(k, None) for k in ("user_id", "agent_id", "run_id")}
        user_id, agent_id, run_id = user_id or ids["user_id"], agent_id or ids["agent_id"], run_id or ids["run_id"]
        hits = self._memory.search(
            query,
            user_id=user_id,
            agent_id=agent_id,
            run_id=run_id,
            limit=limit,
            filters=where or None,
            all_scopes=not (user_id or agent_id or run_id),
        )
        return [{**_row(h.memory), "score": h.score} for h in hits]

    def update(self, memory_id: str, data: str) -> Row:
        """Give a memory a new text.

        Raises:
            NotFoundError: there is no such memory.
        """
        self._memory.update(memory_id, text=data)
        return {"message": "Memory updated successfully!"}

    def delete(self, memory_id: str) -> None:
        """Take a memory back; `history` still shows it.

        Raises:
            NotFoundError: there is no such memory.
        """
        self._memory.delete(memory_id)

    def delete_all(self, user_id: str | None = None, agent_id: str | None = None, run_id: str | None = None) -> Row:
        """Take back every memory of a scope.

        Raises:
            ScopeError: no id is given; `reset` empties the store.
        """
        self._memory.delete_all(user_id=user_id, agent_id=agent_id, run_id=run_id)
        return {"message": "Memories deleted successfully!"}

    def history(self, memory_id: str) -> list[Row]:
        """Return every change of a memory, oldest first; empty if there never was one."""
        try:
            return [_change(c) for c in self._memory.history(memory_id)]
        except NotFoundError:
            return []

    def reset(self) -> None:
        """Empty the store, without asking."""
        self._memory.reset(confirm=True)

    def close(self) -> None:
        """Release the store."""
        self._memory.close()


def _path(vector_store: object) -> str | None:
    """The path in a vector store's settings; the store itself is always Keepstone's."""
    if not isinstance(vector_store, Mapping):
        raise ConfigError("vector_store is a dict with provider and config.")
    settings = vector_store.get("config") or {}
    if not isinstance(settings, Mapping):
        raise ConfigError("vector_store.config is a dict.")
    path: str | None = None
    for key, value in settings.items():
        if key == "path" and isinstance(value, str):
            path = value
        else:
            warnings.warn(f"vector_store.config.{key} is ignored: Keepstone has one file.", UserWarning, stacklevel=3)
    return path


def _row(record: MemoryRecord) -> Row:
    row: Row = {
        "id": record.id,
        "text": record.text,
        "metadata": dict(record.metadata),
        "created_at": record.created_at.isoformat(),
        "updated_at": record.updated_at.isoformat(),
    }
    ids = {"user_id": record.user_id, "agent_id": record.agent_id, "run_id": record.run_id}
    return {**row, **{k: v for k, v in ids.items() if v is not None}}


def _change(change: Change) -> Row:
    return {
        "id": change.id,
        "memory_id": change.memory_id,
        "prev_value": None if change.action is Action.ADD else change.old_text,
        "new_value": None if change.action is Action.DELETE else change.new_text,
        "event": _EVENTS.get(change.action, "update"),
        "timestamp": change.at.isoformat(),
        "is_deleted": int(change.action is Action.DELETE),
    }
