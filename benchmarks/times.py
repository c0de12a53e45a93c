"""Counts the times that are found in dialogues, shows a sample to judge by eye, and measures the cost of a turn.

    python -m benchmarks.times FOLDER [--sample 40] [--seed 1] [--missed 0] [--pack NAME]

FOLDER has *.jsonl packs, as `keepstone eval` reads them. `--missed` shows turns with a digit or a date-like word
in which nothing was found.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from keepstone.evaluation.pack import read
from keepstone.logic.times import TimeExpression, find

Turn = tuple[str, str, datetime]

UNDATED = datetime(2024, 1, 1, tzinfo=UTC)
DATE_LIKE = re.compile(
    r"\d|\b(?:ago|last|next|yesterday|today|tomorrow|tonight|\w+day|weeks?|months?|years?|weekends?|spring|summer|winter"
    r"|autumn|january|february|march|april|june|july|august|september|october|november|december)\b"
    r"|[今昨明前后去]天|[今去明前后]年|[上下这]个?[周月]|星期|礼拜|月|年|周[一-日末]|[今昨明]晚|节",
    re.IGNORECASE,
)


def turns(folder: Path, pack: str) -> dict[str, list[Turn]]:
    """Return the turns of the packs by language: pack, text, and the moment of their session."""
    found: dict[str, list[Turn]] = defaultdict(list)
    for path in sorted(folder.glob("*.jsonl")):
        for record in read(path).records if pack in path.stem else ():
            for session in record.sessions:
                at = session.at or UNDATED
                found[record.language] += [(path.stem, turn.text, at) for turn in session.turns]
    return found


def shown(turn: Turn, found: TimeExpression) -> str:
    """Return one expression with what stands around it and what it was taken for."""
    pack, text, at = turn
    before = text[max(0, found.span.start - 45) : found.span.start]
    after = text[found.span.end : found.span.end + 35]
    words = f"{before}[[{text[found.span.start : found.span.end]}]]{after}".replace("\n", " / ")
    return (
        f"{pack:15} {at:%Y-%m-%d %a} {found.start:%Y-%m-%dT%H:%M}..{found.end:%Y-%m-%dT%H:%M} {found.grain:11} {words}"
    )


def measure(language: str, spoken: list[Turn], options: argparse.Namespace) -> None:
    """Print the figures and the samples of one language."""
    began = time.perf_counter()
    results = [find(text, at) for _, text, at in spoken]
    seconds = time.perf_counter() - began
    matches = [shown(turn, e) for turn, found in zip(spoken, results, strict=True) for e in found]
    size = sum(len(text) for _, text, _ in spoken) / len(spoken)
    print(
        f"{language}: {len(spoken)} turns of {size:.0f} characters, {len(matches)} times, "
        f"{1000 * len(matches) / len(spoken):.1f} per 1,000 turns, {1e6 * seconds / len(spoken):.0f} us a turn, "
        f"{1e9 * seconds / (size * len(spoken)):.0f} ns a character"
    )
    chance = random.Random(options.seed)
    print(*chance.sample(matches, min(options.sample, len(matches))), sep="\n")
    empty = [
        f"{pack:15} {text[:300]!r}"
        for (pack, text, _), found in zip(spoken, results, strict=True)
        if not found and DATE_LIKE.search(text)
    ]
    print(*chance.sample(empty, min(options.missed, len(empty))), sep="\n")


def main() -> None:
    """Measure every language of the packs in a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sample", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--missed", type=int, default=0)
    parser.add_argument("--pack", default="", help="only packs whose name holds this")
    options = parser.parse_args()
    for language, spoken in sorted(turns(options.folder, options.pack).items()):
        measure(language, spoken, options)


if __name__ == "__main__":
    main()
