"""Packs are read as documented, and refused with the line and the fault."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from keepstone.errors import InvalidRequestError
from keepstone.evaluation.pack import conversations, files, moment, read, record_of
from tests.evaluation.dialogues import asking, raw_record, record, write_pack


@pytest.mark.parametrize(
    "written",
    [
        "2025-03-01",
        "2025/03/01",
        "2025.03.01",
        "March-01-2025",
        "1 March 2025",
        "March 1, 2025",
        "2025-03-01 (Saturday)",
    ],
)
def test_dates_are_read_in_the_forms_that_packs_write(written: str) -> None:
    assert moment(written) == datetime(2025, 3, 1, tzinfo=UTC)


def test_other_dates_are_unknown() -> None:
    assert moment("some day") is None
    assert moment(None) is None
    assert moment("1:56 pm on 8 May, 2023") == datetime(2023, 5, 8, 13, 56, tzinfo=UTC)


def test_turns_become_messages_with_ids_speakers_and_times() -> None:
    raw = raw_record()
    raw["sessions"][0]["turns"] += [
        {"id": "t6", "speaker": "Assistant", "text": "Noted."},
        {"id": "t7", "speaker": "Bo", "text": "  "},
    ]
    ((session, messages),) = conversations(record_of(raw))
    assert session == "s1"
    assert [m.id for m in messages] == ["t1", "t2", "t3", "t4", "t5", "t6"]
    assert (messages[0].name, messages[0].role, messages[5].role) == ("Ida", "user", "assistant")
    assert messages[0].timestamp == datetime(2025, 3, 1, tzinfo=UTC)


def test_labels_are_read() -> None:
    question = record(
        asking("q", ["t1"], stale=["t2"], time="2025-06-01", answer="hens", rubric=["three"], equivalent=[["t1", "t3"]])
    ).questions[0]
    assert question.groups == (("t1", "t3"),)
    assert (question.evidence, question.current, question.stale) == (("t1",), ("t1",), ("t2",))
    assert question.hints == ("hens", "three")
    assert question.at == datetime(2025, 6, 1, tzinfo=UTC)
    assert question.has_evidence


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sessions": 3}, "'sessions'"),
        ({"id": None}, "'id'"),
        ({"questions": [{"id": "q"}]}, "'question'"),
        ({"questions": [asking("q", ["nobody"])]}, "names a turn that is not there: 'nobody'"),
        ({"questions": [asking("q"), asking("q")]}, "two questions"),
        ({"questions": [{**asking("q"), "stale": "t1"}]}, "'stale'"),
        ({"questions": [{**asking("q"), "equivalent": ["t1"]}]}, "'equivalent'"),
        ({"sessions": raw_record()["sessions"] * 2}, "two turns"),
    ],
)
def test_a_broken_record_is_refused_with_its_line(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = write_pack(tmp_path / "p.jsonl", raw_record(), {**raw_record(), **change})
    with pytest.raises(InvalidRequestError, match="line 2: ") as caught:
        read(path)
    assert said in str(caught.value)


def test_a_line_that_is_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps(raw_record()) + "\n{\n", encoding="utf-8")
    with pytest.raises(InvalidRequestError, match="line 2: not JSON"):
        read(path)
    assert len(read(path, limit=1).records) == 1


def test_folders_stand_for_their_packs(tmp_path: Path) -> None:
    one, two = write_pack(tmp_path / "a.jsonl", raw_record()), write_pack(tmp_path / "b.jsonl", raw_record())
    assert files([tmp_path, one]) == [one, two, one]
    assert read(one).name == "a"
    for path in (tmp_path / "none.jsonl", tmp_path / "empty"):
        with pytest.raises(InvalidRequestError):
            files([path])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidRequestError, match="has no"):
        files([tmp_path / "empty"])
