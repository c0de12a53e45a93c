"""Moving a store to another vector space, in steps that can stop and go on, while the old vectors serve."""

from __future__ import annotations

from collections.abc import Callable

from keepstone import ingest
from keepstone.protocols import Embedder, Store
from keepstone.types import Scope

STEP = 64


async def reembed(store: Store, embedder: Embedder, progress: Callable[[int, int], None] | None = None) -> int:
    """Give every unit of *store* a vector of *embedder*, then make it the store's; return how many were made.

    Raises:
        ProviderError: the embedder failed; what was made so far is kept, and a second call goes on there.
    """
    await embedder.embed(["dimension"], "document")
    key, made = embedder.key, 0
    total = (await store.stats(Scope())).units
    while True:
        after = -1
        while units := await store.pending(key, after, STEP):
            vectors = await ingest.embed(embedder, [u.text for u in units])
            await store.store_vectors(key, dict(zip((u.key for u in units), vectors, strict=True)))
            made, after = made + len(units), units[-1].key
            if progress is not None:
                progress(made, max(total, made))
        # Others may have added units meanwhile; adopting finds them in its own transaction.
        if await store.adopt(key):
            return made
