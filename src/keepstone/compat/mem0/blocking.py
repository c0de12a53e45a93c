"""Mem0's blocking `Memory` over ours."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from keepstone import Memory as Keepstone
from keepstone.compat.mem0 import asking, configuring, shapes
from keepstone.compat.mem0.asking import ACTOR, UNSET, Filters, Given, Row
from keepstone.errors import NotFoundError, ScopeError


class Memory:
    """The `Memory` of Mem0 2.x, kept by Keepstone.

    `Memory()` takes the default store, `Memory.from_config(config)` what a configuration of Mem0
    says. *memory* is a Keepstone memory to work on instead.
    """

    def __init__(self, config: object = None, *, memory: Keepstone | None = None) -> None:
        self._memory = memory if memory is not None else _opened(config)

    @classmethod
    def from_config(cls, config_dict: Mapping[str, Any]) -> Self:
        """Return a memory as *config_dict* says; what means nothing here is ignored with a warning.

        Raises:
            ConfigError: it names a provider or a setting that Keepstone does not have.
        """
        return cls(config_dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(
        self,
        messages: Given,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        timestamp: object = None,
        expiration_date: object = None,
        infer: bool = True,
        memory_type: str | None = None,
        prompt: str | None = None,
    ) -> Row:
        """Keep *messages*, and return {"results": [{"id", "memory", "event"}]}: exactly what was done.

        *timestamp* (unix seconds or ISO 8601) says when it was said; *expiration_date* is a day. *prompt* says what a
        chat model keeps. With a chat model, its facts come before the words.

        Raises:
            InvalidRequestError: an argument has no meaning; nothing is stored.
        """
        ids = {"user_id": user_id, "agent_id": agent_id, "run_id": run_id}
        said, options = asking.adding(
            messages,
            ids,
            metadata=metadata,
            timestamp=timestamp,
            expiration_date=expiration_date,
            infer=infer,
            memory_type=memory_type,
            prompt=prompt,
        )
        return {"results": shapes.added(self._memory.add(said, **options))}

    def search(
        self,
        query: str,
        *,
        top_k: int = 20,
        filters: Filters = None,
        threshold: float | None = None,
        rerank: bool = False,
        explain: bool = False,
        reference_date: object = None,
        show_expired: bool = False,
    ) -> Row:
        """Return {"results": [...]}, the best first, of the scope that *filters* say.

        Raises:
            InvalidRequestError: an argument has no meaning, or no id is in *filters* (ScopeError).
        """
        options = asking.searching(
            query,
            filters,
            top_k=top_k,
            threshold=threshold,
            rerank=rerank,
            explain=explain,
            reference_date=reference_date,
            show_expired=show_expired,
        )
        return {"results": [shapes.hit_row(h) for h in self._memory.search(query, **options)]}

    def get_all(self, *, filters: Filters = None, top_k: int = 20, show_expired: bool = False) -> Row:
        """Return {"results": [...]}, the oldest first, of the scope that *filters* say.

        Raises:
            InvalidRequestError: an argument has no meaning, or no id is in *filters* (ScopeError).
        """
        page = self._memory.get_all(**asking.listing(filters, top_k=top_k, show_expired=show_expired))
        return {"results": [shapes.row(r) for r in page.items]}

    def get(self, memory_id: str) -> Row | None:
        """Return one memory, None if there is none."""
        try:
            return shapes.row(self._memory.get(memory_id))
        except NotFoundError:
            return None

    def update(
        self,
        memory_id: str,
        text: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        expiration_date: object = UNSET,
        data: str | None = None,
    ) -> Row:
        """Give a memory a new text, further metadata, or another day to expire (None: no day).

        Raises:
            NotFoundError: there is no such memory.
            InvalidRequestError: nothing to change, or an argument has no meaning.
        """
        before = (self._memory.get(memory_id)).metadata
        self._memory.update(memory_id, **asking.changing(text, data, metadata, before, expiration_date))
        return {"message": "Memory updated successfully!"}

    def delete(self, memory_id: str) -> Row:
        """Take a memory back; `history` still shows it.

        Raises:
            NotFoundError: there is no such memory.
        """
        self._memory.delete(memory_id)
        return {"message": "Memory deleted successfully!"}

    def delete_all(self, user_id: str | None = None, agent_id: str | None = None, run_id: str | None = None) -> Row:
        """Take back every memory of a scope.

        Raises:
            ScopeError: no id is given, or one is `*`; `reset` empties the store.
        """
        if not (user_id or agent_id or run_id):
            raise ScopeError("Say whose memories: give an id. To empty the store, use reset().")
        count = self._memory.delete_all(user_id=user_id, agent_id=agent_id, run_id=run_id)
        return {"message": "Memories deleted successfully!", "deleted": count}

    def history(self, memory_id: str) -> list[Row]:
        """Return every change of a memory, the oldest first; empty if there never was one."""
        try:
            changes = self._memory.history(memory_id)
        except NotFoundError:
            return []
        return shapes.history_rows(changes, None)

    def reset(self) -> None:
        """Empty the store, without asking."""
        self._memory.reset(confirm=True)

    def close(self) -> None:
        """Release the store."""
        self._memory.close()


def _opened(config: object) -> Keepstone:
    found = configuring.read({} if config is None else config)
    return Keepstone(
        found.path,
        chat_model=found.chat_model,
        embedder=found.embedder,
        instructions=found.instructions,
        actor=ACTOR,
    )
