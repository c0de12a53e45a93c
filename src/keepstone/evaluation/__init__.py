"""Evaluation that ships with Keepstone: packs with labelled evidence, measures, reports, assertions on one's store.

    from keepstone.evaluation import evaluate, own_packs, product, read

    result = evaluate([read(p) for p in own_packs()], product(), name="mine", version="1")

`RecordingChatModel` and `ReplayingChatModel` record what a model replies, and replay it. `keepstone eval` is the same
on the command line. docs/evaluation.md has the schema of packs and every measure.
"""

from keepstone.evaluation.measuring import evaluate
from keepstone.evaluation.pack import Pack, Question, Record, own_packs, read
from keepstone.evaluation.recordings import RecordingChatModel, ReplayingChatModel, read_recording
from keepstone.evaluation.results import Evaluation, Miss, Row, differences, read_result, summary
from keepstone.evaluation.retriever import Retriever, foreign, product
from keepstone.evaluation.scoring import Found

__all__ = [
    "Evaluation",
    "Found",
    "Miss",
    "Pack",
    "Question",
    "Record",
    "RecordingChatModel",
    "ReplayingChatModel",
    "Retriever",
    "Row",
    "differences",
    "evaluate",
    "foreign",
    "own_packs",
    "product",
    "read",
    "read_recording",
    "read_result",
    "summary",
]
