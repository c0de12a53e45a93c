"""The audit: who asked for what, and what came of it, written in the background in groups."""

from __future__ import annotations

import logging

from keepstone.control import AuditEntry, Role
from keepstone.errors import StoreError
from keepstone.protocols import ControlPlane
from keepstone.server.access import OPERATIONS
from keepstone.server.repeating import Repeating

log = logging.getLogger("keepstone.server")

WRITE_SECONDS = 1.0
WAITING_MAX = 50_000


class Auditor:
    """Enters what was asked: all that changes anything or administers, and what was refused; reads if *with_reads*."""

    def __init__(self, control: ControlPlane, *, with_reads: bool) -> None:
        self._control, self._with_reads = control, with_reads
        self._waiting: list[AuditEntry] = []
        self._writing = Repeating("audit", self.write, WRITE_SECONDS)

    def enter(self, entry: AuditEntry) -> None:
        """Put *entry* among those that are written next, if it is of a kind that is audited."""
        rule = OPERATIONS.get(entry.operation)
        is_read = rule is not None and rule.role is Role.READ
        if is_read and not self._with_reads and entry.status not in (401, 403):
            return
        if len(self._waiting) >= WAITING_MAX:
            log.error("The audit is not being written; an entry is lost: %s", entry.operation)
            return
        self._waiting.append(entry)

    @property
    def waiting(self) -> int:
        """How many entries are not written yet."""
        return len(self._waiting)

    def start(self) -> None:
        """Begin to write."""
        self._writing.start()

    async def close(self) -> None:
        """Write what waits."""
        await self._writing.close()
        await self.write()

    async def write(self) -> None:
        """Write what waits; what cannot be written now stays."""
        entries, self._waiting = self._waiting, []
        if not entries:
            return
        try:
            await self._control.enter_audit(entries)
        except StoreError as error:
            log.warning("The audit could not be written now: %s", type(error).__name__)
            self._waiting = [*entries, *self._waiting]
