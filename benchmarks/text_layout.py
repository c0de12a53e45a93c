"""Measure the layouts that the BM25 text index could have in one SQLite file.

Every layout stores the same ready-made terms of the same synthetic messages for one partition (one user's
memories), in a file with WAL, synchronous=FULL and secure_delete=ON:

* ``none``            no text index: the passage row with its 768-byte vector, which all the others have too
* ``rows``            (a) one row per term and passage, WITHOUT ROWID
* ``packed-fixed``    (b) one blob per term, 8-byte entries, appended by read-modify-write, in chunks
* ``packed-varint``   (b) the same with delta-varint entries
* ``forward-sorted``  (c) one blob of term hashes and one of frequencies per passage in a table of their own;
  an inverted index is sorted in memory when the partition is first searched, with a scanned tail
* ``forward-scan``    (c) the same bytes on disk; nothing is sorted, each query term scans all the hashes
* ``forward-inline``  (c) as ``forward-scan``, but the blobs are in the same row as the vector
* ``fts5``            (d) SQLite's own FTS5 over the same terms, the line of reference

Measured: bytes a message on disk after a checkpoint (dbstat, less what ``none`` takes); bytes of WAL and CPU
of an add, one message in a durable transaction and 100 in one; CPU of a four-term query, warm, straight after
another add, and as the first of a fresh connection (opening included; the file is in the page cache); CPU of
erasing one message; bytes a message that the index keeps in memory. Making the terms is not timed. CPU is the
median of process time, user and system, so waiting for the disk is not in it; nor is checkpointing, for which
the WAL bytes stand. The size of a text is in words, or in Chinese characters, before stop words are dropped
and bigrams are made. ``agree`` says that the best ten scores of all queries equal those of ``rows``.

    python -m benchmarks.text_layout --table
    python -m benchmarks.text_layout --table --cases en-20-1000 zh-20-1000 --layouts rows forward-scan
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from statistics import median

import apsw
import numpy as np

from benchmarks.text_layout_kinds import LAYOUTS, Hits, Ints, Layout, Message, connect

VECTOR_BYTES = 384 * 2
EXTRA = 350  # 50 messages added one by one, then 300 by the hundred
CASES = ("en-20-1000", "zh-20-1000", "en-200-1000", "zh-200-1000", "en-2000-200", "zh-2000-200")
LARGE_CASES = ("en-20-50000", "zh-20-50000")
STOP = """the of and to a in is it that for on was with as be at by i this are or an not but have from you he
she they we his her my had which all one there been if more when will would who so no said what up out can"""


# Synthetic texts


def zipf(rng: np.random.Generator, vocabulary: int, size: int, shift: float = 2.7) -> Ints:
    weights = 1.0 / (np.arange(vocabulary) + shift)
    return rng.choice(vocabulary, size=size, p=weights / weights.sum())


def stem(word: str) -> str:
    for suffix in ("ing", "ed", "es", "s"):
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word


def english_terms(rng: np.random.Generator, size: int, count: int) -> Iterable[list[str]]:
    """Terms of ``count`` texts of ``size`` words: stop words on the first ranks, made-up words after them."""
    syllables = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er", "il")]
    stops = STOP.split()
    words: list[str] = []
    for rank in range(20_000):
        parts = rng.choice(len(syllables), size=int(rng.integers(2, 4)))
        ending = ("", "", "", "", "s", "ed", "ing")[int(rng.integers(7))]
        made = "".join(syllables[i] for i in parts) + ending
        words.append("" if rank < len(stops) else stem(made))
    for row in zipf(rng, len(words), size * count).reshape(count, size):
        yield [words[i] for i in row if words[i]]


def chinese_terms(rng: np.random.Generator, size: int, count: int) -> Iterable[list[str]]:
    """Unigrams and bigrams of texts of ``size`` characters, from 20,000 words over 3,000 characters."""
    lengths = rng.choice([1, 2, 3, 4], size=20_000, p=[0.15, 0.65, 0.12, 0.08])
    lengths[:40] = 1  # function words
    letters = zipf(rng, 3_000, int(lengths.sum()), 20.0)
    ends = np.cumsum(lengths)
    words = ["".join(chr(0x4E00 + c) for c in letters[e - n : e]) for e, n in zip(ends, lengths, strict=True)]
    for row in zipf(rng, len(words), size * count).reshape(count, size):
        text = "".join(words[i] for i in row)[:size]
        yield [*text, *(text[i : i + 2] for i in range(size - 1))]


def make_messages(language: str, size: int, count: int, seed: int = 7) -> list[Message]:
    rng = np.random.default_rng(seed)
    maker = english_terms if language == "en" else chinese_terms
    texts = enumerate(maker(rng, size, count), 1)
    return [Message(seq, dict(Counter(t)), len(t), rng.bytes(VECTOR_BYTES)) for seq, t in texts]


def make_queries(messages: Sequence[Message], count: int, seed: int = 11) -> list[list[str]]:
    """Four different terms of one message each, as frequent as the texts make them."""
    rng = np.random.default_rng(seed)
    usable = [m for m in messages if len(m.terms) >= 4]
    picks = rng.choice(len(usable), size=count)
    return [[str(t) for t in rng.choice(list(usable[i].terms), size=4, replace=False)] for i in picks]


# Measuring


@dataclass
class Figures:
    case: str
    layout: str
    terms_a_message: float
    bytes_a_message: float
    ram_a_message: float
    wal_kb_an_add: float
    add_one_ms: float
    add_100_ms_each: float
    query_warm_ms: float
    query_warm_p95_ms: float
    query_after_add_ms: float
    query_cold_ms: float
    erase_ms: float
    agree: bool | None = None


def cpu_ms(action: Callable[[], object]) -> float:
    start = time.process_time_ns()
    action()
    return (time.process_time_ns() - start) / 1e6


def checkpointed_bytes(con: apsw.Connection) -> int:
    con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    row = con.execute("SELECT sum(pgsize) FROM dbstat WHERE aggregate = TRUE").fetchone()
    return int(row[0]) if row else 0


def cold_ms(path: Path, kind: type[Layout], terms: Sequence[str]) -> float:
    def first_query() -> None:
        con = connect(path)
        kind(con).search(terms)
        con.close()

    return cpu_ms(first_query)


def measure_adds(index: Layout, path: Path, extra: Sequence[Message], queries: list[list[str]]) -> list[float]:
    """WAL kB and CPU of single adds, CPU of 100 in one transaction, of a query after an add, of an erase."""
    singles, batches = extra[:50], [extra[i : i + 100] for i in range(50, len(extra), 100)]
    one: list[float] = []
    after: list[float] = []
    for m, terms in zip(singles, itertools.cycle(queries), strict=False):
        one.append(cpu_ms(partial(index.add, [m])))
        after.append(cpu_ms(partial(index.search, terms)))
    wal = Path(f"{path}-wal").stat().st_size / 1024 / len(singles)
    index.con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    hundred = [cpu_ms(partial(index.add, b)) / 100 for b in batches]
    erased = [cpu_ms(partial(index.erase, m)) for m in singles]
    return [wal, median(one), median(hundred), median(after), median(erased)]


def measure(case: str, name: str, messages: list[Message], base: int) -> tuple[Figures, int, list[Hits]]:
    """Load all messages but the last ``EXTRA``, which are for the adds, then measure."""
    count = len(messages) - EXTRA
    queries = make_queries(messages[:count], 60)
    kind = LAYOUTS[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        con = connect(path)
        index = kind(con)
        index.create()
        con.execute("PRAGMA synchronous=OFF")
        for i in range(0, count, 50):
            index.add(messages[i : i + 50])
        con.execute("PRAGMA synchronous=FULL")
        size = checkpointed_bytes(con)
        hits = [index.search(q) for q in queries]
        ram = index.memory() / count
        warm = [cpu_ms(partial(index.search, q)) for q in queries]
        cold = median(cold_ms(path, kind, q) for q in queries[:7])
        wal, one, hundred, after, erased = measure_adds(index, path, messages[count:], queries)
        con.close()
    terms = sum(len(m.terms) for m in messages[:count]) / count
    p95 = float(np.quantile(warm, 0.95))
    sizes = (terms, (size - base) / count, ram, wal)
    return Figures(case, name, *sizes, one, hundred, median(warm), p95, after, cold, erased), size, hits


def same(left: list[Hits], right: list[Hits]) -> bool:
    """Whether all queries found as many passages and gave the best ten the same scores."""
    tops = [[[len(hits), *(score for _, score in hits[:10])] for hits in side] for side in (left, right)]
    pairs = zip(*tops, strict=True)
    return all(len(a) == len(b) and np.allclose(a, b) for a, b in pairs)


def run_case(case: str, names: Sequence[str]) -> Iterable[Figures]:
    language, size, count = case.split("-")
    messages = make_messages(language, int(size), int(count) + EXTRA)
    base, truth = 0, None
    for name in ["none", *(n for n in names if n != "none")]:
        figures, total, hits = measure(case, name, messages, base)
        if name == "none":
            base = total
        elif name == "rows":
            truth = hits
        elif truth and name != "fts5":
            figures.agree = same(hits, truth)
        yield figures


def table(results: Sequence[Figures]) -> str:
    heads = [f.name.removesuffix("_ms").replace("_", " ") for f in fields(Figures)]
    lines = ["|" + "|".join(heads) + "|", "|---|---" + "|---:" * (len(heads) - 2) + "|"]
    for result in results:
        cells = [
            (f"{v:.0f}" if v >= 100 else f"{v:.2g}") if isinstance(v, float) else str(v)
            for v in asdict(result).values()
        ]
        lines.append("|" + "|".join(cells) + "|")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the layouts of the text index.")
    parser.add_argument("--cases", nargs="+", default=[*CASES, *LARGE_CASES], help="language-size-count")
    parser.add_argument("--layouts", nargs="+", default=list(LAYOUTS), choices=list(LAYOUTS))
    parser.add_argument("--table", action="store_true", help="also print a markdown table at the end")
    options = parser.parse_args()
    results: list[Figures] = []
    for case in options.cases:
        for figures in run_case(case, options.layouts):
            results.append(figures)
            print(json.dumps(asdict(figures)), flush=True)
    if options.table:
        print(table(results))


if __name__ == "__main__":
    main()
