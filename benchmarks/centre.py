"""Computes the centre that the on-device embedder takes away from the model's vectors.

    python -m benchmarks.centre PACK.jsonl ...

Prints the mean document vector over the packs, each language weighing the same, as `embedders/_centre.py` keeps it, and
how far it is from what stands there. Only packs under permissive licences may be used.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks.embedding_cache import CachedEmbedder
from keepstone.embedders._centre import CENTRE
from keepstone.embedders.local import LocalModel
from keepstone.evaluation.pack import conversations, embedded_texts, read


def main() -> None:
    """Run on the packs named on the command line."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("packs", nargs="+", type=Path)
    model = CachedEmbedder(LocalModel())
    texts: dict[str, list[str]] = defaultdict(list)
    for path in arguments.parse_args().packs:
        for record in read(path).records:
            texts[record.language] += [t for _, messages in conversations(record) for t in embedded_texts(messages)]
    means = [np.array(asyncio.run(model.embed(of, "document"))).mean(axis=0) for of in texts.values()]
    centre = np.mean(means, axis=0).astype("<f2")
    print(base64.b64encode(centre.tobytes()).decode())
    shipped = np.frombuffer(base64.b64decode(CENTRE), dtype="<f2")
    print(
        f"length {np.linalg.norm(centre.astype(np.float64)):.4f}, largest difference {abs(centre - shipped).max():.5f}"
    )


if __name__ == "__main__":
    main()
