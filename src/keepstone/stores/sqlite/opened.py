"""What the parts of the store share: an engine, and one way to read and to write with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import apsw

from keepstone.contract import NewId
from keepstone.stores.sqlite.engine import Engine

T = TypeVar("T")


class Opened:
    """A store's engine and its source of ids."""

    _engine: Engine
    _new_id: NewId

    async def _read(self, work: Callable[[apsw.Connection], T]) -> T:
        return await asyncio.wrap_future(self._engine.read(work))

    async def _write(self, work: Callable[[apsw.Connection], T]) -> T:
        return await asyncio.wrap_future(self._engine.write(work))
