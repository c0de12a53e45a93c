"""What `reextract` found, kept for a while until it is accepted or dropped."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from keepstone.contract import Clock, NewId
from keepstone.drafts import Reextraction
from keepstone.errors import NotFoundError
from keepstone.logic.ids import bucket
from keepstone.server.tailing import Told

KEPT = timedelta(hours=1)
DRAFTS_MAX = 100
DRAFTS_OF_A_KEY_MAX = 10


@dataclass(frozen=True, slots=True)
class _Draft:
    key_id: str
    made_at: datetime
    found: Reextraction


class Drafts:
    """Drafts in memory, each for the key that made it; the oldest go when there are too many."""

    def __init__(self, clock: Clock, new_id: NewId) -> None:
        self._clock, self._new_id = clock, new_id
        self._kept: OrderedDict[str, _Draft] = OrderedDict()

    def put(self, key_id: str, found: Reextraction) -> str:
        """Keep a draft, and return its id."""
        now = self._clock()
        id = self._new_id(now, bucket(found.scope))
        self._kept[id] = _Draft(key_id, now, found)
        mine = [i for i, draft in self._kept.items() if draft.key_id == key_id]
        for old in mine[:-DRAFTS_OF_A_KEY_MAX]:
            del self._kept[old]
        while len(self._kept) > DRAFTS_MAX:
            self._kept.popitem(last=False)
        return id

    def get(self, key_id: str, id: str) -> Reextraction:
        """Return a draft of a key.

        Raises:
            NotFoundError: the key has no such draft, or it is too old.
        """
        draft = self._kept.get(id)
        if draft is None or draft.key_id != key_id or self._clock() - draft.made_at > KEPT:
            raise NotFoundError("There is no such draft; it is kept for an hour. Derive again.")
        return draft.found

    def drop(self, key_id: str, id: str) -> None:
        """Forget a draft of a key.

        Raises:
            NotFoundError: as `get`.
        """
        self.get(key_id, id)
        del self._kept[id]

    @property
    def tenants(self) -> set[str]:
        """Whose drafts there are."""
        return {draft.found.scope.tenant for draft in self._kept.values()}

    @property
    def wants_changes(self) -> bool:
        """What an event changed does not count."""
        return False

    def take(self, told: Told) -> None:
        """Forget all drafts of a tenant when something is erased there: they may say it."""
        if told.event.kind in ("erased", "reset"):
            tenant = told.event.scope.tenant
            for id in [i for i, draft in self._kept.items() if draft.found.scope.tenant == tenant]:
                del self._kept[id]

    def trim(self) -> None:
        """Forget what is too old."""
        now = self._clock()
        for id in [i for i, draft in self._kept.items() if now - draft.made_at > KEPT]:
            del self._kept[id]
