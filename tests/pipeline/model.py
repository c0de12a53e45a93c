"""What a memory is, in dicts and lists: the oracle of the state machine."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from keepstone.logic.text import is_back_channel

Owner = tuple[str, str | None]


class RefusedError(Exception):
    """The model refuses what the product must refuse with a ConflictError."""


@dataclass(frozen=True, slots=True)
class State:
    """A memory as it is after one of its changes."""

    text: str
    metadata: tuple[tuple[str, int], ...] = ()
    expires: int | None = None
    status: str = "current"


@dataclass(slots=True)
class Entry:
    """A memory: whose it is, and its changes as (action, state after it, batch)."""

    owner: Owner
    changes: list[tuple[str, State, int]] = field(default_factory=list)
    recency: int = 0

    @property
    def now(self) -> State:
        return self.changes[-1][1]

    @property
    def is_live(self) -> bool:
        return self.now.status == "current"


@dataclass(slots=True)
class Model:
    """All memories in the order of their making, and the ids of callers' messages."""

    entries: list[Entry] = field(default_factory=list)
    ledger: dict[tuple[Owner, str], tuple[str, int]] = field(default_factory=dict)
    hour: int = 0
    ticks: int = 0
    batch: int = 0

    def copy(self) -> "Model":
        """Return a model that can be changed without a trace in this one."""
        entries = [replace(e, changes=list(e.changes)) for e in self.entries]
        return replace(self, entries=entries, ledger=dict(self.ledger))

    def live(self, owner: Owner, *, expired: bool = False) -> Iterator[tuple[int, Entry]]:
        """Yield the memories that a query sees: of the user, and of the session if it names one."""
        for number, entry in enumerate(self.entries):
            is_seen = entry.owner == owner or (owner[1] is None and entry.owner[0] == owner[0])
            if is_seen and entry.is_live and (expired or not self.is_over(entry)):
                yield number, entry

    def is_over(self, entry: Entry) -> bool:
        """Whether a memory has expired."""
        return entry.now.expires is not None and entry.now.expires <= self.hour

    def change(self, entry: Entry, action: str, state: State) -> None:
        """Append to the history of a memory."""
        entry.changes.append((action, state, self.batch))
        self.ticks += 1
        if action in ("ADD", "UPDATE"):
            entry.recency = self.ticks

    def add(self, owner: Owner, turns: list[tuple[str, str | None]], expires: int | None) -> list[tuple[str, int]]:
        """Say *turns* (text, caller's id), and return what became of each: a word, and which memory."""
        self.batch += 1
        return [self._say(owner, text, id, expires) for text, id in turns]

    def _say(self, owner: Owner, text: str, id: str | None, expires: int | None) -> tuple[str, int]:
        if id is not None and (owner, id) in self.ledger:
            known, number = self.ledger[owner, id]
            if known != text:
                raise RefusedError
            return "replay", number
        joined = self._joined(owner, text)
        if joined is not None:
            self.change(self.entries[joined], "UPDATE", self.entries[joined].now)
            outcome = ("refreshed", joined)
        else:
            self.entries.append(Entry(owner))
            self.change(self.entries[-1], "ADD", State(text, (), expires))
            outcome = ("stored", len(self.entries) - 1)
        if id is not None:
            self.ledger[owner, id] = (text, outcome[1])
        return outcome

    def _joined(self, owner: Owner, text: str) -> int | None:
        if is_back_channel(text):
            return None
        same = [
            (e.recency, n)
            for n, e in enumerate(self.entries)
            if e.owner == owner and e.now.status != "erased" and folded(e.now.text) == folded(text)
        ]
        if not same:
            return None
        number = max(same)[1]
        entry = self.entries[number]
        return number if entry.is_live and not self.is_over(entry) else None

    def set_status(self, numbers: list[int], action: str, status: str) -> int:
        """Retire or erase memories in one batch."""
        self.batch += 1
        for number in numbers:
            entry = self.entries[number]
            if status == "erased":
                entry.changes.clear()
                self.ledger = {k: v for k, v in self.ledger.items() if v[1] != number}
                self.change(entry, action, State("", (), None, "erased"))
            else:
                self.change(entry, action, replace(entry.now, status=status))
        return len(numbers)

    def update(self, number: int, **new: Any) -> None:
        """Give a memory a new revision."""
        self.batch += 1
        self.change(self.entries[number], "UPDATE", replace(self.entries[number].now, **new))

    def is_last(self, batch: int) -> bool:
        """Whether nothing came after a batch in any memory that it changed."""
        for entry in self.entries:
            batches = [b for _, _, b in entry.changes]
            if batch in batches and batches[-batches.count(batch) :] != [batch] * batches.count(batch):
                return False
        return True

    def undo(self, batch: int) -> int:
        """Undo a batch after which nothing came, and return how many changes that took."""
        self.batch += 1
        made = 0
        for entry in self.entries:
            own = [i for i, (_, _, b) in enumerate(entry.changes) if b == batch]
            if any(entry.changes[i][0] == "ERASE" for i in own):
                raise RefusedError
            for index in reversed(own):
                made += self._step_back(entry, index)
        return made

    def _step_back(self, entry: Entry, index: int) -> int:
        action, after, _ = entry.changes[index]
        before = entry.changes[index - 1][1] if index else replace(after, status="retired")
        is_said_again = action == "UPDATE" and entry.changes[index - 1][1] is after
        if is_said_again:
            return 0
        inverse = {"ADD": "DELETE", "UPDATE": "UPDATE", "DELETE": "RESTORE", "RESTORE": "DELETE"}[action]
        self.change(entry, inverse, before)
        return 1


def folded(text: str) -> str:
    """The text without what says nothing."""
    return re.sub(r"\s+", " ", text).strip()
