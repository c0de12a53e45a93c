"""A request to be forgotten: export what there is, erase it, and keep the receipt.

Run it with `python examples/forget_me.py`.
"""

import asyncio
import json
import tempfile
from pathlib import Path

from keepstone import AsyncMemory, NotFoundError, Scope
from keepstone.transfer import export

# Ids stay in the tombstones: use numbers of yours for people, not their names.
LEAVING, STAYING = "customer-1041", "customer-2077"
SECRET = "12 Harbour Street"


async def forget(memory: AsyncMemory, user_id: str, copy: Path) -> dict[str, object]:
    """Write what *user_id* has to *copy*, erase it, and return the receipt as JSON-ready values."""
    with copy.open("w", encoding="utf-8") as out:
        await export(memory.store, Scope(user_id=user_id), out, include_retired=True)
    receipt = await memory.erase(user_id=user_id, reason="request 2026-118")
    if not receipt.verified:
        raise RuntimeError("Something is left, or another process is reading: see docs/erasure.md.")
    return receipt.to_dict()


async def leave(store: Path, copy: Path) -> None:
    """Let one customer come and go in *store*, with a copy of what was theirs."""
    async with AsyncMemory(store) as memory:
        kept = (await memory.add(f"Please deliver to {SECRET}.", user_id=LEAVING)).memories[0]
        await memory.delete(kept.id)  # out of every verb but history, but still in the file
        await memory.add("I like the blue mug.", user_id=LEAVING)
        await memory.add("I like the green mug.", user_id=STAYING)

        receipt = await forget(memory, LEAVING, copy)
        print(json.dumps(receipt, indent=2))

        assert (await memory.get_all(user_id=LEAVING)).items == ()
        assert len((await memory.get_all(user_id=STAYING)).items) == 1
        (tombstone,) = await memory.history(kept.id)
        print(f"History: {tombstone.action} at {tombstone.at:%Y-%m-%d}, {tombstone.reason}")
        try:
            await memory.get(kept.id)
        except NotFoundError:
            print("The memory is gone.")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(leave(Path(folder) / "shop.db", Path(folder) / "copy.jsonl"))
        assert SECRET in (Path(folder) / "copy.jsonl").read_text(encoding="utf-8")
        # The store's file is read only after the memory was closed: see docs/storage.md.
        stored = b"".join(path.read_bytes() for path in Path(folder).glob("shop.db*"))
        assert SECRET.encode() not in stored
        assert b"green mug" in stored


if __name__ == "__main__":
    main()
