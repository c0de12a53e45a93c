"""Scores what Keepstone finds on packs of dialogues with labelled evidence.

    python -m benchmarks.retrieval [SCORER] [PACK ...] [-- options of the scorer]

SCORER is score_retrieval.py, PACKs are JSONL files or folders; by default both come from ../shared. The first run
embeds everything (some ten minutes of CPU); later ones take the vectors from the cache.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
RETRIEVER = "benchmarks.retriever:factory"


def score(
    scorer: Path,
    packs: Sequence[Path],
    options: Sequence[str] = (),
    *,
    quiet: bool = False,
    retriever: str = RETRIEVER,
) -> None:
    """Run the scorer with Keepstone's retriever; its tables go to standard output unless *quiet*."""
    paths = os.pathsep.join(p for p in (str(ROOT), os.environ.get("PYTHONPATH")) if p)
    command = [sys.executable, str(scorer.resolve()), *(str(p.resolve()) for p in packs)]
    subprocess.run(
        [*command, "--retriever", retriever, *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.DEVNULL if quiet else None,
        check=True,
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("scorer", nargs="?", type=Path, default=SHARED / "bench" / "score_retrieval.py")
    arguments.add_argument("packs", nargs="*", type=Path)
    own = sys.argv[1 : sys.argv.index("--")] if "--" in sys.argv else sys.argv[1:]
    given = arguments.parse_args(own)
    options = sys.argv[len(own) + 2 :]
    if not given.scorer.exists():
        raise SystemExit(f"{given.scorer} is not there; name the scorer and the packs.")
    score(given.scorer, given.packs or [SHARED / "data"], options)


if __name__ == "__main__":
    main()
