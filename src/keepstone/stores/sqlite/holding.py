"""Valid time over the arrays of an index: which memories held at a moment (`logic.validity`)."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite.columns import Array
from keepstone.stores.sqlite.index import NEVER, PartitionIndex
from keepstone.types import Kind

_EPISODE = enc.KIND_NUMBERS[Kind.EPISODE]


def began(index: PartitionIndex, as_of: datetime) -> Array:
    """Return which memories had begun to hold at *as_of*."""
    stated = (index.kind.rows != _EPISODE) & (index.valid_from.rows != NEVER)
    begun: Array = np.where(stated, index.valid_from.rows, index.at.rows) <= (enc.micros(as_of) or 0)
    return begun


def held(index: PartitionIndex, as_of: datetime) -> Array:
    """Return which memories held at *as_of*."""
    superseded = index.status.rows == enc.SUPERSEDED
    ended = index.valid_to.rows <= (enc.micros(as_of) or 0)
    ended = np.where(superseded, ended | (index.valid_to.rows == NEVER), ended & (index.kind.rows != _EPISODE))
    holds: Array = began(index, as_of) & ~ended
    return holds
