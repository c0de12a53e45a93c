"""How often the checks of a model's proposals are wrong, on a labelled set: false refusals and false accepts.

    python -m benchmarks.checking [--wrong | --speed]

The set is tests/logic/distillation/labelled_{en,zh}.jsonl: one or more messages (and what was shown beside them), one
change, and whether the messages carry it. The `dev` split was used to make the rules; `held` was written after them,
and no rule was changed for it. Intervals are Wilson's, at 95 %. `--wrong` lists the cases that were judged wrongly.
`--speed` prints the processor time of a proposal instead, with as many messages, of as many words, as one call reads.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from keepstone.logic.distillation import Checked, Known, Op, Proposal, Source, check

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "logic" / "distillation"
LANGUAGES = ("en", "zh")
SPLITS = ("dev", "held")
# About what one call reads: CALL_TOKENS_MAX in `logic/distillation/material.py`.
LONG_MESSAGES, LONG_PROPOSALS = 6, 40
SAID = datetime(2024, 5, 15, 10, 30, tzinfo=UTC)  # a Wednesday


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One change, what it was made from, and whether that carries it; `kind` says what it tries.

    The messages are `text` by `speaker` (m1) and then `more`; `cited` are the handles that it names, all of them if
    none is given.
    """

    language: str
    split: str
    good: bool
    kind: str
    text: str
    fact: str
    speaker: str | None = None
    earlier: tuple[tuple[str, str], ...] = ()
    known: tuple[str, ...] = ()
    op: Op = "add"
    target: str | None = None
    more: tuple[tuple[str | None, str], ...] = ()
    cited: tuple[str, ...] = ()

    def check(self) -> Checked:
        """Return what the checks make of the change."""
        messages = {
            f"m{n}": Source(handle=f"m{n}", text=text, speaker=speaker, said_at=SAID)
            for n, (speaker, text) in enumerate(((self.speaker, self.text), *self.more), 1)
        }
        return check(
            [Proposal(op=self.op, text=self.fact, target=self.target, sources=self.cited or tuple(messages))],
            sources=messages,
            earlier=[
                Source(handle=f"e{n}", text=text, speaker=speaker, said_at=SAID)
                for n, (speaker, text) in enumerate(self.earlier, 1)
            ],
            known={f"k{n}": Known(handle=f"k{n}", text=text) for n, text in enumerate(self.known, 1)},
        )


def cases() -> Iterator[Case]:
    """Yield all cases of the labelled set."""
    for language in LANGUAGES:
        for line in (FOLDER / f"labelled_{language}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            row["earlier"] = tuple((speaker, text) for speaker, text in row.get("earlier", ()))
            row["more"] = tuple((speaker, text) for speaker, text in row.get("more", ()))
            row["known"], row["cited"] = tuple(row.get("known", ())), tuple(row.get("cited", ()))
            yield Case(language=language, **row)


def wilson(wrong: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a rate (Wilson 1927)."""
    if not total:
        return 0.0, 1.0
    z, rate = 1.96, wrong / total
    middle = (rate + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(rate * (1 - rate) / total + z * z / (4 * total * total))
    return max(0.0, middle - half), min(1.0, middle + half)


def judged(split: str, language: str | None = None) -> dict[bool, list[tuple[Case, bool]]]:
    """Return the cases of a split by whether they are good, each with whether it was judged wrongly."""
    found: dict[bool, list[tuple[Case, bool]]] = {True: [], False: []}
    for case, is_wrong in _all_judged():
        if case.split == split and language in (None, case.language):
            found[case.good].append((case, is_wrong))
    return found


@cache
def _all_judged() -> tuple[tuple[Case, bool], ...]:
    return tuple((case, bool(case.check().accepted) != case.good) for case in cases())


def speed(language: str) -> tuple[int, int, float]:
    """Return the characters read, the number of proposals, and the milliseconds that each of these took."""
    found = [c for c in cases() if c.language == language and c.good and c.op == "add" and not (c.more or c.known)]
    texts = list(dict.fromkeys(c.text for c in found))
    per_message = len(texts) // LONG_MESSAGES + 1
    parts = [texts[n : n + per_message] for n in range(0, len(texts), per_message)]
    sources = {
        f"m{n}": Source(handle=f"m{n}", text=" ".join(part), said_at=SAID) for n, part in enumerate(parts, start=1)
    }
    handle_of = {text: f"m{n}" for n, part in enumerate(parts, start=1) for text in part}
    chosen = found[:: len(found) // LONG_PROPOSALS][:LONG_PROPOSALS]
    proposals = [Proposal(op="add", text=c.fact, sources=(handle_of[c.text],)) for c in chosen]
    known = {f"k{n}": Known(handle=f"k{n}", text=c.fact) for n, c in enumerate(found[1:16], start=1)}
    started = time.process_time()
    check(proposals, sources=sources, known=known)
    each = 1000 * (time.process_time() - started) / len(proposals)
    return sum(len(s.text) for s in sources.values()), len(proposals), each


def main() -> None:
    """Print the rates by language and split, or the time that the checks take."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wrong", action="store_true")
    parser.add_argument("--speed", action="store_true")
    options = parser.parse_args()
    if options.speed:
        for tag in LANGUAGES:
            characters, count, each = speed(tag)
            print(f"{tag}: {count} proposals from {characters:,} characters, {each:.1f} ms each")
        return
    for split in SPLITS:
        for language in (*LANGUAGES, None):
            for good, name in ((True, "false refusals"), (False, "false accepts")):
                results = judged(split, language)[good]
                wrong = [case for case, is_wrong in results if is_wrong]
                low, high = wilson(len(wrong), len(results))
                print(
                    f"{split:4} {language or 'both':4} {name:14} {len(wrong):3}/{len(results):3} "
                    f"{100 * len(wrong) / max(1, len(results)):4.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
                )
                if options.wrong and language:
                    print(*(f"     {c.kind}: {c.text!r} -> {c.fact!r}" for c in wrong), sep="\n")


if __name__ == "__main__":
    main()
