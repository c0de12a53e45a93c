"""Whether a message is in the ledger already."""

from __future__ import annotations

import apsw

from keepstone.logic.replay import content_key
from keepstone.operations import AppendMessage
from keepstone.stores.sqlite import encoding as enc
from keepstone.types import Message


def find_known(db: apsw.Connection, op: AppendMessage, scope_key: int) -> tuple[int, bytes, str | None, bool] | None:
    """Return key, id, external id of the message that *op* repeats, and whether it says the same; None if new."""
    columns = "SELECT key, id, external_id, role, name, content, occurred_at, occurred_offset FROM messages"
    if op.external_id is not None:
        row = next(
            iter(db.execute(f"{columns} WHERE scope = ? AND external_id = ?", (scope_key, op.external_id))), None
        )
        if row is not None:
            said = Message(role=row[3], name=row[4], content=row[5], timestamp=enc.moment(row[6], row[7]))
            return row[0], row[1], row[2], content_key(said) == op.content_key
    if op.replay_key is not None:
        row = next(iter(db.execute(f"{columns} WHERE scope = ? AND replay_key = ?", (scope_key, op.replay_key))), None)
        if row is not None:
            return row[0], row[1], row[2], True
    return None
