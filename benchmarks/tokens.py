"""Compares the default counter of `context` with real tokenizers, on contexts made from packs of dialogues.

    python -m benchmarks.tokens [PACK ...] [--questions 40]

PACKs are JSONL files or folders, by default ../shared/data. A tokenizer has to be installed beside Keepstone: the
package `bpe-openai` brings the vocabularies o200k and cl100k in its wheel. *safe* is the share of contexts for which
the counter says no fewer tokens than the vocabulary, *over* by how much it says more (median), *worst* the lowest
ratio of the two. *estimate* is the same for `estimate_tokens`, which is for comparisons and not for budgets.
"""

from __future__ import annotations

import argparse
import importlib
import random
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.retriever import embedder
from keepstone.evaluation.pack import read
from keepstone.evaluation.retriever import USER, KeepstoneRetriever
from keepstone.logic.counting import count_tokens
from keepstone.logic.layout import FORMATS
from keepstone.logic.text import estimate_tokens

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
VOCABULARIES = ("o200k_base", "cl100k_base")
BUDGETS = (300, 1000, 2000)

Count = Callable[[str], int]


def tokenizers() -> dict[str, Count]:
    """Return what counts tokens by each vocabulary at hand; nothing if the package is not installed."""
    try:
        encodings = importlib.import_module("bpe_openai")
    except ImportError:
        return {}

    def counter(name: str) -> Count:
        encoding = encodings.get_encoding(name)
        return lambda text: len(encoding.encode(text))

    return {name: counter(name) for name in VOCABULARIES}


def contexts(pack: Path, questions: int) -> list[str]:
    """Return contexts for some questions of a pack, in all formats and several sizes."""
    found: list[str] = []
    for record in read(pack, 2).records:
        search = KeepstoneRetriever(record, embedder())
        asked = [q.text for q in record.questions]
        random.Random(7).shuffle(asked)
        for number, question in enumerate(asked[: questions // 2]):
            made = search.memory.context(
                question,
                user_id=USER,
                format=FORMATS[number % len(FORMATS)],
                max_tokens=BUDGETS[number // len(FORMATS) % len(BUDGETS)],
            )
            found += [made.text] if made.text else []
    return found


def row(texts: Sequence[str], counter: Count, real: Count) -> str:
    """Return the cells of one comparison: safe, over, worst."""
    ratios = [counter(t) / real(t) for t in texts]
    safe = sum(r >= 1 for r in ratios) / len(ratios)
    return f"{safe:.1%} | {statistics.median(ratios) - 1:+.1%} | {min(ratios):.2f}"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("packs", nargs="*", type=Path)
    arguments.add_argument("--questions", type=int, default=40)
    given = arguments.parse_args()
    real = tokenizers()
    if not real:
        raise SystemExit("There is no tokenizer to compare with: pip install bpe-openai")
    files = [f for p in given.packs or [DATA] for f in (sorted(p.glob("*.jsonl")) if p.is_dir() else [p])]
    texts = {f.stem: contexts(f, given.questions) for f in files}
    texts = {"all": [t for some in texts.values() for t in some], **texts}
    print("| contexts | n | vocabulary | safe | over | worst | estimate: safe | over | worst |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, some in texts.items():
        for vocabulary, count in real.items():
            ours, plain = row(some, count_tokens, count), row(some, estimate_tokens, count)
            print(f"| {name} | {len(some)} | {vocabulary} | {ours} | {plain} |")


if __name__ == "__main__":
    main()
