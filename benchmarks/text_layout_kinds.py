"""The layouts of a BM25 text index that ``text_layout.py`` measures.

Each keeps one partition (one user's memories) in a SQLite file and gives the same BM25 scores, except FTS5,
which has statistics of its own.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import numpy.typing as npt

PARTITION, TOP, K1, B = 7, 50, 1.2, 0.75
BASE = PARTITION << 32  # a passage's row id: partition, then sequence number
Ints = npt.NDArray[np.int64]
Hits = list[tuple[int, float]]


@dataclass(frozen=True)
class Message:
    seq: int
    terms: dict[str, int]
    length: int
    vector: bytes


def connect(path: Path) -> apsw.Connection:
    con = apsw.Connection(str(path))
    con.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON")
    con.execute("PRAGMA cache_size=-16000; PRAGMA wal_autocheckpoint=0")
    return con


def rank(postings: Iterable[tuple[Ints, Ints, Ints]], n: int, average: float, slots: int) -> Hits:
    """The best passages, from (slot, frequency, length) arrays, one triple a term."""
    scores = np.zeros(slots, dtype=np.float64)
    for slot, tf, length in postings:
        idf = np.log1p((n - len(slot) + 0.5) / (len(slot) + 0.5))
        scores[slot] += idf * tf * (K1 + 1) / (tf + K1 * (1 - B + B * length / average))
    found = np.flatnonzero(scores)
    if len(found) > TOP:
        found = found[np.argpartition(scores[found], -TOP)[-TOP:]]
    found = found[np.argsort(-scores[found], kind="stable")]
    return list(zip(found.tolist(), scores[found].tolist(), strict=True))


class Layout(ABC):
    """Writes and reads one text index; the base writes the passages and the partition's statistics."""

    schema = ""
    units = "CREATE TABLE units(id INTEGER PRIMARY KEY, length INT, vector BLOB)"

    def __init__(self, con: apsw.Connection) -> None:
        self.con = con

    def create(self) -> None:
        self.con.execute(f"{self.units}; CREATE TABLE partitions(id INTEGER PRIMARY KEY, n INT, total INT)")
        self.con.execute(self.schema)
        self.con.execute("INSERT INTO partitions VALUES(?, 0, 0)", (PARTITION,))

    def add(self, batch: Sequence[Message]) -> None:
        self.con.execute("BEGIN IMMEDIATE")
        self.add_units(batch)
        self.write(batch)
        total = sum(m.length for m in batch)
        sql = "UPDATE partitions SET n = n + ?, total = total + ? WHERE id = ?"
        self.con.execute(sql, (len(batch), total, PARTITION))
        self.con.execute("COMMIT")

    def add_units(self, batch: Sequence[Message]) -> None:
        rows = [(BASE | m.seq, m.length, m.vector) for m in batch]
        self.con.executemany("INSERT INTO units VALUES(?, ?, ?)", rows)

    def erase(self, message: Message) -> None:
        self.con.execute("BEGIN IMMEDIATE")
        self.con.execute("DELETE FROM units WHERE id = ?", (BASE | message.seq,))
        self.remove(message)
        sql = "UPDATE partitions SET n = n - 1, total = total - ? WHERE id = ?"
        self.con.execute(sql, (message.length, PARTITION))
        self.con.execute("COMMIT")

    def statistics(self) -> tuple[int, float, int]:
        """Passages, their average length, and the highest sequence number."""
        sql = "SELECT n, total, (SELECT max(id) FROM units) FROM partitions WHERE id = ?"
        n, total, last = self.con.execute(sql, (PARTITION,)).fetchone() or (0, 0, BASE)
        return n, total / max(n, 1), last - BASE

    def search(self, terms: Sequence[str]) -> Hits:
        n, average, last = self.statistics()
        return rank((self.find(t) for t in terms), n, average, last + 1)

    def memory(self) -> int:
        return 0

    @abstractmethod
    def write(self, batch: Sequence[Message]) -> None: ...

    @abstractmethod
    def remove(self, message: Message) -> None: ...

    def find(self, term: str) -> tuple[Ints, Ints, Ints]:
        raise NotImplementedError


class Nothing(Layout):
    def write(self, batch: Sequence[Message]) -> None:
        pass

    def remove(self, message: Message) -> None:
        pass

    def search(self, terms: Sequence[str]) -> Hits:
        return []


class Rows(Layout):
    schema = """CREATE TABLE postings(partition INT, term TEXT, seq INT, tf INT, length INT,
                PRIMARY KEY(partition, term, seq)) WITHOUT ROWID"""

    def write(self, batch: Sequence[Message]) -> None:
        rows = sorted((PARTITION, t, m.seq, tf, m.length) for m in batch for t, tf in m.terms.items())
        self.con.executemany("INSERT INTO postings VALUES(?, ?, ?, ?, ?)", rows)

    def remove(self, message: Message) -> None:
        keys = [(PARTITION, t, message.seq) for t in sorted(message.terms)]
        self.con.executemany("DELETE FROM postings WHERE partition = ? AND term = ? AND seq = ?", keys)

    def find(self, term: str) -> tuple[Ints, Ints, Ints]:
        sql = "SELECT seq, tf, length FROM postings WHERE partition = ? AND term = ?"
        cursor = self.con.execute(sql, (PARTITION, term))
        table = np.fromiter(itertools.chain.from_iterable(cursor), np.int64).reshape(-1, 3)
        return table[:, 0], table[:, 1], table[:, 2]


class PackedFixed(Layout):
    """Chunks keyed by their first sequence number; ``last`` is the newest one in the chunk."""

    schema = """CREATE TABLE postings(partition INT, term TEXT, first INT, last INT, data BLOB,
                PRIMARY KEY(partition, term, first)) WITHOUT ROWID"""
    chunk = 2048
    newest = """SELECT first, last, data FROM postings WHERE partition = ? AND term = ? AND first <= ?
                ORDER BY first DESC LIMIT 1"""
    replace = "INSERT OR REPLACE INTO postings VALUES(?, ?, ?, ?, ?)"

    def encode(self, entries: Sequence[tuple[int, int, int]], last: int) -> bytes:
        return b"".join(struct.pack("<IHH", *e) for e in entries)

    def decode(self, data: bytes, first: int) -> Ints:
        table = np.frombuffer(data, np.uint16).reshape(-1, 4)
        seq = table[:, :2].copy().view(np.uint32)
        return np.concatenate([seq, table[:, 2:]], axis=1, dtype=np.int64)

    def write(self, batch: Sequence[Message]) -> None:
        entries: dict[str, list[tuple[int, int, int]]] = {}
        for m in batch:
            for term, tf in m.terms.items():
                entries.setdefault(term, []).append((m.seq, tf, m.length))
        for term, new in sorted(entries.items()):
            row = self.con.execute(self.newest, (PARTITION, term, new[0][0])).fetchone()
            first, last, data = row if row and len(row[2]) < self.chunk else (new[0][0], new[0][0], b"")
            data += self.encode(new, last)
            self.con.execute(self.replace, (PARTITION, term, first, new[-1][0], data))

    def remove(self, message: Message) -> None:
        for term in sorted(message.terms):
            row = self.con.execute(self.newest, (PARTITION, term, message.seq)).fetchone()
            if row is None:
                continue
            first, last, data = row
            left = [(s, tf, n) for s, tf, n in self.decode(data, first).tolist() if s != message.seq]
            if left:
                args = (PARTITION, term, first, last, self.encode(left, first))
                self.con.execute(self.replace, args)
            else:
                sql = "DELETE FROM postings WHERE partition = ? AND term = ? AND first = ?"
                self.con.execute(sql, (PARTITION, term, first))

    def find(self, term: str) -> tuple[Ints, Ints, Ints]:
        sql = "SELECT first, data FROM postings WHERE partition = ? AND term = ? ORDER BY first"
        chunks = [self.decode(data, first) for first, data in self.con.execute(sql, (PARTITION, term))]
        table = np.concatenate(chunks) if chunks else np.zeros((0, 3), np.int64)
        return table[:, 0], table[:, 1], table[:, 2]


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


class PackedVarint(PackedFixed):
    chunk = 768  # a bigger row would leave its b-tree page for overflow pages

    def encode(self, entries: Sequence[tuple[int, int, int]], last: int) -> bytes:
        out: list[bytes] = []
        for seq, tf, length in entries:
            out += varint(seq - last), varint(tf), varint(length)
            last = seq
        return b"".join(out)

    def decode(self, data: bytes, first: int) -> Ints:
        raw = np.frombuffer(data, np.uint8)
        starts = np.concatenate([[0], np.flatnonzero(raw < 128)[:-1] + 1])
        sizes = np.diff(starts, append=len(raw))
        shifts = 7 * (np.arange(len(raw)) - np.repeat(starts, sizes))
        table = np.add.reduceat((raw & 127).astype(np.int64) << shifts, starts).reshape(-1, 3)
        table[:, 0] = np.cumsum(table[:, 0]) + first
        return table


class Growing:
    """An array that is appended to, with spare room."""

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self.room: npt.NDArray[Any] = np.zeros(64, dtype)
        self.used = 0

    def extend(self, more: npt.NDArray[Any]) -> None:
        end = self.used + len(more)
        if end > len(self.room):
            grown = np.zeros(end + end // 4, self.room.dtype)
            grown[: self.used] = self.view
            self.room = grown
        self.room[self.used : end] = more
        self.used = end

    @property
    def view(self) -> npt.NDArray[Any]:
        return self.room[: self.used]


class ForwardScan(Layout):
    schema = "CREATE TABLE terms(id INTEGER PRIMARY KEY, length INT, hashes BLOB, tfs BLOB)"
    table = "terms"
    sorts = False

    def __init__(self, con: apsw.Connection) -> None:
        super().__init__(con)
        self.seen = 0  # passages are read up to this sequence number; a passage's slot is that number
        self.keys: npt.NDArray[np.uint64] = np.zeros(0, np.uint64)  # sorted: hash, slot, frequency
        self.lengths = Growing(np.uint32)
        self.tail = self.empty_tail()

    def empty_tail(self) -> tuple[Growing, Growing, Growing]:
        return Growing(np.uint32), Growing(np.uint32), Growing(np.uint8)  # hash, slot, frequency

    def blobs(self, message: Message) -> tuple[bytes, bytes]:
        pairs = sorted((zlib.crc32(t.encode()), min(tf, 255)) for t, tf in message.terms.items())
        return struct.pack(f"<{len(pairs)}I", *(h for h, _ in pairs)), bytes(tf for _, tf in pairs)

    def write(self, batch: Sequence[Message]) -> None:
        rows = [(BASE | m.seq, m.length, *self.blobs(m)) for m in batch]
        self.con.executemany("INSERT INTO terms VALUES(?, ?, ?, ?)", rows)

    def remove(self, message: Message) -> None:
        self.con.execute("DELETE FROM terms WHERE id = ?", (BASE | message.seq,))

    def catch_up(self) -> None:
        sql = f"SELECT id, length, hashes, tfs FROM {self.table} WHERE id > ? AND id < ? ORDER BY id"
        rows: list[Any] = self.con.execute(sql, (BASE | self.seen, BASE + (1 << 32))).fetchall()
        if not rows:
            return
        slots = np.array([row[0] - BASE for row in rows])
        lengths = np.zeros(slots[-1] + 1 - self.lengths.used, np.uint32)
        lengths[slots - self.lengths.used] = [row[1] for row in rows]
        self.lengths.extend(lengths)
        hashes, owners, tfs = self.tail
        hashes.extend(np.frombuffer(b"".join(row[2] for row in rows), np.uint32))
        owners.extend(np.repeat(slots, [len(row[3]) for row in rows]))
        tfs.extend(np.frombuffer(b"".join(row[3] for row in rows), np.uint8))
        self.seen = int(slots[-1])
        if self.sorts and hashes.used > len(self.keys) // 8:
            self.merge()

    def merge(self) -> None:
        hashes, slots, tfs = (g.view.astype(np.uint64) for g in self.tail)
        self.keys = np.sort(np.concatenate([self.keys, hashes << 32 | slots << 8 | tfs]))
        self.tail = self.empty_tail()

    def find(self, term: str) -> tuple[Ints, Ints, Ints]:
        code = zlib.crc32(term.encode())
        bounds = np.array([code << 32, (code << 32) + (1 << 32) - 1], np.uint64)
        low, high = np.searchsorted(self.keys, bounds)
        keys = self.keys[low:high].astype(np.int64)
        hashes, slots, tfs = (g.view for g in self.tail)
        at = np.flatnonzero(hashes == np.uint32(code))
        slot = np.concatenate([keys >> 8 & 0xFFFFFF, slots[at]])
        return slot, np.concatenate([keys & 255, tfs[at]]), self.lengths.view[slot].astype(np.int64)

    def search(self, terms: Sequence[str]) -> Hits:
        n, average, last = self.statistics()
        if last > self.seen:
            self.catch_up()
        return rank((self.find(t) for t in terms), n, average, last + 1)

    def memory(self) -> int:
        return self.keys.nbytes + sum(g.room.nbytes for g in (*self.tail, self.lengths))


class ForwardSorted(ForwardScan):
    sorts = True


class ForwardInline(ForwardScan):
    schema = ""
    units = "CREATE TABLE units(id INTEGER PRIMARY KEY, length INT, hashes BLOB, tfs BLOB, vector BLOB)"
    table = "units"

    def add_units(self, batch: Sequence[Message]) -> None:
        rows = [(BASE | m.seq, m.length, *self.blobs(m), m.vector) for m in batch]
        self.con.executemany("INSERT INTO units VALUES(?, ?, ?, ?, ?)", rows)

    def write(self, batch: Sequence[Message]) -> None:
        pass

    def remove(self, message: Message) -> None:
        pass


class Fts5(Layout):
    schema = """CREATE VIRTUAL TABLE fts USING fts5(body, content='', tokenize='ascii');
                INSERT INTO fts(fts, rank) VALUES('secure-delete', 1)"""

    def body(self, message: Message) -> str:
        return " ".join(" ".join([t] * tf) for t, tf in message.terms.items())

    def write(self, batch: Sequence[Message]) -> None:
        rows = [(BASE | m.seq, self.body(m)) for m in batch]
        self.con.executemany("INSERT INTO fts(rowid, body) VALUES(?, ?)", rows)

    def remove(self, message: Message) -> None:
        row = (BASE | message.seq, self.body(message))
        self.con.execute("INSERT INTO fts(fts, rowid, body) VALUES('delete', ?, ?)", row)

    def search(self, terms: Sequence[str]) -> Hits:
        sql = """SELECT rowid, -rank FROM fts WHERE fts MATCH ? AND rowid > ? AND rowid < ?
                 ORDER BY rank LIMIT ?"""
        match = " OR ".join(f'"{t}"' for t in terms)
        cursor = self.con.execute(sql, (match, BASE, BASE + (1 << 32), TOP))
        return [(rowid - BASE, score) for rowid, score in cursor]


LAYOUTS: dict[str, type[Layout]] = {
    "none": Nothing,
    "rows": Rows,
    "packed-fixed": PackedFixed,
    "packed-varint": PackedVarint,
    "forward-sorted": ForwardSorted,
    "forward-scan": ForwardScan,
    "forward-inline": ForwardInline,
    "fts5": Fts5,
}
