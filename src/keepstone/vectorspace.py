"""Which embedder to use with a store: the one given, if its vectors are those of the store; else words alone."""

from __future__ import annotations

import logging

from keepstone.errors import ConfigError, EmbedderMismatchError
from keepstone.protocols import Embedder, Store
from keepstone.types import Scope

log = logging.getLogger("keepstone")


class VectorSpace:
    """Brings an embedder and a store together, once; vectors of different spaces never meet.

    A store whose memories have no vectors at all is searched by words alone until `reembed`, and says so.
    """

    def __init__(self, store: Store, embedder: Embedder | None, tenant: str) -> None:
        self.embedder = embedder
        self._store = store
        self._tenant = tenant
        self._is_agreed = False
        self._has_said_so = False

    async def agreed(self) -> Embedder | None:
        """Return the embedder to use, None for words alone.

        Raises:
            EmbedderMismatchError: the store holds vectors of another embedder.
        """
        if self.embedder is None or self._is_agreed:
            return self.embedder
        stored = await self._store.embedder()
        if stored is None:
            return None if await self._lacks_vectors() else self.embedder
        try:
            given = self.embedder.key
        except ConfigError:
            # Some endpoints tell their dimension only by what they answer.
            await self.embedder.embed(["dimension"], "query")
            given = self.embedder.key
        if stored != given:
            raise EmbedderMismatchError(str(stored), str(given))
        self._is_agreed = True
        return self.embedder

    def forget(self) -> None:
        """Look at the store again next time."""
        self._is_agreed = self._has_said_so = False

    async def _lacks_vectors(self) -> bool:
        if self._has_said_so:
            return True
        missing = (await self._store.stats(Scope(tenant=self._tenant))).unembedded
        if missing:
            self._has_said_so = True
            log.warning("%d passages have no vectors: searching by words alone until `keepstone reembed`.", missing)
        return missing > 0
