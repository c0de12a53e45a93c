"""What links by the names in a question gain: facts with aliases, and questions that use another name than the fact.

`entity_links.json` has the facts with what they mention, as a model would give it, and the questions, in English and
Chinese. `plain` questions use the names of the facts, or none, and must not suffer. Each question is asked with several
weights of the signal, of the facts alone and among the turns of a dialogue pack.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.retriever import embedder
from keepstone import ingest
from keepstone.evaluation.pack import Record
from keepstone.evaluation.retriever import USER, KeepstoneRetriever
from keepstone.ids import IdSource
from keepstone.logic.ids import bucket
from keepstone.logic.ranking import WEIGHTS, rank
from keepstone.logic.text import language
from keepstone.naming import Mention
from keepstone.operations import AddMemory, Batch, NewMemory
from keepstone.protocols import Store
from keepstone.recall import SearchRequest, looked_for
from keepstone.stores.inmemory import InMemoryStore
from keepstone.types import Kind, Scope

SET = Path(__file__).with_suffix(".json")
# None is a search that looks for no names.
LINK_WEIGHTS = (None, 0.0, 2.0, 4.0, 6.0)
NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
WHOSE = Scope(user_id=USER)


async def filled(store: Store, cases: dict[str, Any]) -> dict[str, str]:
    """Write the facts of one language into *store*; return their ids by their names in the set."""
    new_id = IdSource()
    texts = [(text, None, ingest.units(text, None)) for _, text, _ in cases["facts"]]
    units = await ingest.embed_units(embedder(), texts)
    ids: dict[str, str] = {}
    operations = []
    for (name, text, mentioned), of in zip(cases["facts"], units, strict=True):
        ids[name] = new_id(NOW, bucket(WHOSE))
        entities = tuple(
            Mention(name=names[0], kind=cases["entities"][key], aliases=tuple(names[1:]))
            for key, names in mentioned.items()
        )
        memory = NewMemory(
            id=ids[name],
            scope=WHOSE,
            text=text,
            kind=Kind.FACT,
            units=of,
            language=language(text),
            entities=entities,
        )
        operations.append(AddMemory(memory=memory))
    batch = Batch(
        id=new_id(NOW, bucket(WHOSE)),
        tenant="",
        at=NOW,
        actor="benchmark",
        operations=tuple(operations),
        embedder=embedder().key,
    )
    await store.apply(batch)
    return ids


async def places(store: Store, question: str, wanted: str) -> list[int]:
    """Return at which place the memory *wanted* stands, for each weight; 1,000 if it was not found."""
    request = SearchRequest(
        query=question, scope=WHOSE, limit=10, min_score=0.0, where=None, kinds=(), include_expired=False,
        include_superseded=True, explain=False, partitions_max=10,
    )  # fmt: skip
    look = await looked_for(embedder(), request, now=NOW)
    found = []
    for weight in LINK_WEIGHTS:
        query = replace(look.query, question="" if weight is None else question)
        ranked = rank(
            await store.candidates(query),
            look.calibration,
            question=look.question,
            weights=replace(WEIGHTS, entity=weight or 0.0),
        )
        ids = [r.candidate.memory_id for r in ranked]
        found.append(1 + ids.index(wanted) if wanted in ids else 1_000)
    return found


async def _measure(store: Store, title: str, cases: dict[str, Any]) -> None:
    ids = await filled(store, cases)
    for sort in ("questions", "plain"):
        rows = [await places(store, question, ids[wanted]) for question, wanted in cases[sort]]
        print(f"{title}, {len(rows)} {sort}")
        for column, weight in enumerate(LINK_WEIGHTS):
            got = [row[column] for row in rows]
            first, three = (sum(p <= k for p in got) / len(got) for k in (1, 3))
            mean = sum(1 / p for p in got) / len(got)
            name = "no names looked for" if weight is None else f"weight {weight}"
            print(f"  {name}: first {first:.3f}, among three {three:.3f}, mean reciprocal rank {mean:.3f}")


def measure(records: Sequence[Record] = ()) -> None:
    """Print how often the wanted fact comes first, of the set alone and among the turns of *records*."""
    for tag, cases in json.loads(SET.read_text(encoding="utf-8")).items():
        asyncio.run(_measure(InMemoryStore(), tag, cases))
        for record in records:
            # It closes its store when it goes.
            retriever = KeepstoneRetriever(record, embedder())
            asyncio.run(_measure(retriever.memory.store, f"{tag} among {len(record.turns)} turns", cases))
