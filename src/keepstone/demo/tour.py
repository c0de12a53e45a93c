"""The tour: what is stored, what is found, and what changing and forgetting leave behind."""

from __future__ import annotations

import io
import tempfile
import time
from importlib import resources
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from keepstone.memory import AsyncMemory
from keepstone.transfer import import_stream
from keepstone.types import Change, Hit, MemoryRecord

USER = "mei"
QUESTIONS = (
    "Where does Mei live now?",
    "What must I avoid when I cook for her?",
    "妈妈的手术怎么样了？",
    "她妹妹做什么工作？",
    "Which glaze came out best?",
)
WRONG_DAY = "Which day do they run?"
FORGET = "Who teaches her the cello?"


def conversation() -> io.BufferedReader:
    """Return the conversation as JSON lines of messages, as `keepstone import` reads them."""
    raw = resources.files("keepstone.demo").joinpath("conversation.jsonl").read_bytes()
    return io.BufferedReader(io.BytesIO(raw))


async def show(console: Console, *, path: Path | None = None, embedder: str | None = None) -> None:
    """Run the tour on a temporary store, or on the file *path*, and say on *console* what happens."""
    with tempfile.TemporaryDirectory(prefix="keepstone-demo-", ignore_cleanup_errors=True) as folder:
        memory = AsyncMemory(path or Path(folder) / "demo.db", embedder=embedder, chat_model="none", actor="demo")
        try:
            await _Tour(console, memory).walk()
        finally:
            await memory.close()
    if path is not None:
        console.print(f"\nThe store is kept in {path}. Look around: keepstone search --store {path} -u {USER} …")


class _Tour:
    """The steps, one after the other, on one memory."""

    def __init__(self, console: Console, memory: AsyncMemory) -> None:
        self._console, self._memory = console, memory

    async def walk(self) -> None:
        """Take all steps."""
        await self._store()
        for question in QUESTIONS:
            await self._ask(question)
        await self._change()
        await self._forget()

    async def _store(self) -> None:
        self._heading("1. Keep a conversation: seven sessions, English and Chinese")
        began = time.perf_counter()
        report = await import_stream(self._memory, conversation())
        seconds = time.perf_counter() - began
        counts = await self._memory.stats(user_id=USER)
        known = f", {report.known} were there already" if report.known else ""
        self._say(
            f"{report.messages} messages kept in {seconds:.1f} s{known}; {counts.memories} memories. Some of them:"
        )
        page = await self._memory.get_all(user_id=USER, limit=16)
        self._records([page.items[0], *page.items[7:12:2]])

    async def _ask(self, question: str) -> None:
        if question == QUESTIONS[0]:
            self._heading("2. Find it again, in either language")
        began = time.perf_counter()
        hits = await self._memory.search(question, user_id=USER, limit=3)
        self._console.print(
            Text.assemble((f"\n{question}", "bold cyan"), (f"  {(time.perf_counter() - began) * 1000:.0f} ms", "dim"))
        )
        self._hits(hits)

    async def _change(self) -> None:
        self._heading("3. Change it, see every revision, take it back")
        record = (await self._best(WRONG_DAY)).memory
        await self._memory.update(record.id, text=record.text.replace("Saturday", "Sunday"), reason="it is Sundays")
        history = await self._memory.history(record.id)
        self._changes(history)
        await self._memory.undo(history[-1].id)
        self._say(f"Undone: {(await self._memory.get(record.id)).text}")

    async def _forget(self) -> None:
        self._heading("4. Forget it")
        hit = await self._best(FORGET)
        await self._memory.delete(hit.id, reason="asked to forget")
        again = await self._memory.search(FORGET, user_id=USER)
        self._say(f"Deleted: {hit.text}")
        self._say(f"In a new search: {'still there' if hit.id in {h.id for h in again} else 'gone'}.")
        receipt = await self._memory.erase(hit.id, reason="asked to forget for good")
        self._say(
            f"Erased for good: {receipt.memories} memory, {receipt.messages} message. Looked for it in all "
            f"{receipt.bytes_scanned:,} bytes of the {len(receipt.files)} files: found {receipt.residue} times."
        )

    async def _best(self, question: str) -> Hit:
        return (await self._memory.search(question, user_id=USER, limit=1))[0]

    def _heading(self, text: str) -> None:
        self._console.print(Text(f"\n{text}", style="bold green"))

    def _say(self, text: str) -> None:
        self._console.print(Text(text))

    def _hits(self, hits: list[Hit]) -> None:
        table = _table()
        for place, hit in enumerate(hits):
            style = "" if place == 0 else "dim"
            table.add_row(Text(f"{hit.score:.2f}", style=style), Text(_day(hit.memory)), Text(hit.passage, style=style))
        self._console.print(table)

    def _records(self, records: list[MemoryRecord]) -> None:
        table = _table()
        for record in records:
            table.add_row(Text(record.language), Text(_day(record)), Text(record.text))
        self._console.print(table)

    def _changes(self, changes: list[Change]) -> None:
        table = _table()
        for change in changes:
            table.add_row(
                Text(change.action.value), Text(f"revision {change.new_revision}"), Text(change.new_text or "")
            )
        self._console.print(table)


def _table() -> Table:
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False, show_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    return table


def _day(record: MemoryRecord) -> str:
    return (record.occurred_at or record.created_at).date().isoformat()
