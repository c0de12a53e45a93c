"""What distillation costs: tokens of the instructions, and calls, tokens in and out for each turn of real dialogues.

    python -m benchmarks.costs FOLDER [--peer-prompt FILE]

FOLDER has data/scenarios_{en,zh}.jsonl, data/updates_{en,zh}.jsonl. The replies come from the labels of the packs, so
tokens out are those of a model that proposes what is right and nothing else. Tokens are counted by
`keepstone.logic.counting`, which is on the safe side. With --peer-prompt, the instructions of another product, as a
text file, are counted the same way.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.retriever import embedder
from keepstone.evaluation.pack import read
from keepstone.evaluation.retriever import KeepstoneRetriever, LastQuery
from keepstone.logic.counting import count_tokens
from keepstone.logic.distillation.prompts import CHINESE, ENGLISH
from keepstone.logic.distillation.schema import reply_schema
from tests.evaluation.oracle import Oracle

PACKS = ("scenarios_en", "scenarios_zh", "updates_en", "updates_zh")


def instructions() -> None:
    """Print the tokens of what every call says besides the messages."""
    schema = count_tokens(json.dumps(reply_schema()))
    print("| | instructions | with procedures | JSON schema |\n|---|---|---|---|")
    for name, words in (("English", ENGLISH), ("Chinese", CHINESE)):
        plain = count_tokens(words.system)
        print(f"| {name} | {plain} | {plain + count_tokens(words.procedures)} | {schema} |")


def packs(paths: Sequence[Path]) -> None:
    """Print calls and tokens of taking each pack in, a session an add."""
    print("\n| pack | turns | adds | calls | tokens in a call | tokens out a call | tokens in a turn |")
    print("|---|---|---|---|---|---|---|")
    space = LastQuery(embedder())
    for path in paths:
        pack = read(path)
        turns = adds = calls = tokens_in = tokens_out = 0
        for record in pack.records:
            retriever = KeepstoneRetriever(record, space, Oracle([record]))
            spent = retriever.memory.usage()
            turns, adds = turns + len(record.turns), adds + len(retriever.added)
            calls, tokens_in = calls + spent.calls, tokens_in + spent.input_tokens
            tokens_out += spent.output_tokens
            retriever.close()
        print(
            f"| {path.stem} | {turns} | {adds} | {calls} | {tokens_in / calls:.0f} | {tokens_out / calls:.0f}"
            f" | {tokens_in / turns:.0f} |"
        )


def main() -> int:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--peer-prompt", type=Path)
    given = parser.parse_args()
    instructions()
    if given.peer_prompt is not None:
        print(f"\n{given.peer_prompt.name}: {count_tokens(given.peer_prompt.read_text(encoding='utf-8'))} tokens")
    paths = [p for name in PACKS if (p := given.folder / "data" / f"{name}.jsonl").exists()]
    packs(paths)
    return 0 if paths else 1


if __name__ == "__main__":
    sys.exit(main())
