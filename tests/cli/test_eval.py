"""`keepstone eval`: measuring, comparing, and from a store of one's own through init and edit to check."""

import hashlib
import json
from pathlib import Path

from tests.cli.running import answer, process, run
from tests.evaluation.dialogues import asking, raw_record, write_pack


def pack(folder: Path) -> Path:
    questions = [asking("Which animals does Ida have?", ["t3"], stale=["t1"]), asking("Where is the key?", ["t4"])]
    return write_pack(folder / "mill.jsonl", raw_record(*questions))


def test_the_table_the_json_and_the_report_say_the_same(tmp_path: Path) -> None:
    figures, report = tmp_path / "r.json", tmp_path / "r.html"
    shown = run("eval", str(pack(tmp_path)), "--json", str(figures), "--html", str(report))
    assert shown.exit_code == 0, shown.output
    summary = json.loads(figures.read_text(encoding="utf-8"))["summary"]["mill"]
    rows = {cells[0]: cells for line in shown.stdout.splitlines() if (cells := line.split())}
    for measure in ("R@10", "MRR", "R@1000t", "fresh"):
        assert rows[measure][1] == f"{summary[measure]['mean']:.3f}"
        assert rows[measure][-1] == str(summary[measure]["count"])
        assert f"<td>{summary[measure]['mean']:.3f}</td>" in report.read_text(encoding="utf-8")


def test_two_configurations_or_two_results_are_compared(tmp_path: Path) -> None:
    source, first, second = str(pack(tmp_path)), tmp_path / "first.json", tmp_path / "second.json"
    for embedder, path in (("hashing", first), ("none", second)):
        assert run("eval", source, "--config", f"embedder={embedder}", "--json", str(path)).exit_code == 0
    both = tmp_path / "both.json"
    configured = run(
        *("eval", source, "--compare", "--config", "embedder=hashing", "--config", "embedder=none"),
        *("--json", str(both), "--html", str(tmp_path / "both.html")),
    )
    assert configured.exit_code == 0, configured.output
    read = run("eval", "--compare", str(first), str(second), "--json", str(tmp_path / "again.json"))
    assert read.exit_code == 0, read.output
    kept = [json.loads(p.read_text(encoding="utf-8"))["differences"]["mill"] for p in (both, tmp_path / "again.json")]
    for once, again in zip(*kept, strict=True):
        assert once["measure"] == "ms" or once == again
    assert "first" in read.stdout
    assert run("eval", source, "--compare", str(first), "--config", "embedder=hashing").exit_code == 0


def test_what_cannot_be_measured_is_refused(tmp_path: Path) -> None:
    source = str(pack(tmp_path))
    for arguments in (
        [str(tmp_path / "nothing.jsonl")],
        [source, "--config", "colour=red"],
        [source, "--config", "embedder=none", "--config", "embedder=hashing"],
        [source, "--compare"],
        [source, "--compare", source],
        [source, "--retriever", "nothing:there"],
        [source, "--json", str(tmp_path / "no" / "folder.json")],
    ):
        refused = run("eval", *arguments)
        assert refused.exit_code == 2, arguments
        assert "Error: " in refused.stderr


def test_somebody_elses_retriever_is_measured(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(
        "def newest_first(record):\n"
        "    ids = [t['id'] for s in record['sessions'] for t in s['turns']]\n"
        "    return lambda question, k: ids[::-1][:k]\n",
        encoding="utf-8",
    )
    figures = tmp_path / "r.json"
    arguments = ["eval", str(pack(tmp_path)), "--retriever", "theirs:newest_first", "--json", str(figures)]
    result = process(arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    document = json.loads(figures.read_text(encoding="utf-8"))
    assert document["summary"]["mill"]["fresh"]["mean"] == 1.0
    assert document["name"] == "retriever=theirs:newest_first"


def test_from_a_store_through_init_and_edit_to_check(tmp_path: Path) -> None:
    """The whole way as a project takes it, with the real program."""
    path = tmp_path / "memory.toml"
    for text in ("My dentist is Dr Varga in Mill Street.", "我的猫叫小满，今年三岁。"):
        assert process(["add", text, "-u", "ann"]).returncode == 0
    store = Path(answer("stats")["path"])

    assert process(["eval", "init", str(path), "-u", "ann"]).returncode == 0
    nothing_yet = process(["eval", "check", str(path)])
    assert (nothing_yet.returncode, b"no question" in nothing_yet.stderr) == (2, True)

    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('question = ""', 'question = "Who is my dentist?"', 1), encoding="utf-8")
    before = hashlib.sha256(store.read_bytes()).hexdigest()
    passed = process(["eval", "check", str(path), "--json"])
    assert passed.returncode == 0, passed.stderr
    verdict = json.loads(passed.stdout)
    assert (verdict["passed"], verdict["open"], verdict["questions"][0]["first_rank"]) == (True, 1, 1)
    assert hashlib.sha256(store.read_bytes()).hexdigest() == before

    filled = path.read_text(encoding="utf-8")
    path.write_text(filled + 'must_not_contain = ["小满"]\nquestion = "猫叫什么？"\n', encoding="utf-8")
    broken = process(["eval", "check", str(path)])
    assert (broken.returncode, broken.stderr.count(b"\n")) == (2, 1)
    path.write_text(filled + '[[question]]\nquestion = "猫叫什么？"\nmust_not_contain = ["小满"]\n', encoding="utf-8")
    failed = process(["eval", "check", str(path)])
    assert failed.returncode == 1
    assert "FAILED" in failed.stdout.decode()

    written = path.read_text(encoding="utf-8")
    assert process(["add", "The code of the gate is on the fridge.", "-u", "ann"]).returncode == 0
    assert process(["eval", "init", str(path)]).returncode == 0
    assert path.read_text(encoding="utf-8").startswith(written)
    assert "fridge" in path.read_text(encoding="utf-8")[len(written) :]


def test_nothing_is_made_where_there_is_no_store(tmp_path: Path) -> None:
    missing = tmp_path / "none.db"
    assert run("eval", "init", str(tmp_path / "m.toml"), "-u", "ann", "--store", str(missing)).exit_code == 1
    assert run("eval", "init", str(tmp_path / "m.toml"), "-u", "ann").exit_code == 1
    assert not missing.exists()
    assert not (tmp_path / "m.toml").exists()


def test_a_file_is_not_extended_from_another_scope(tmp_path: Path) -> None:
    run("add", "My dentist is Dr Varga.", "-u", "ann")
    path = tmp_path / "m.toml"
    assert run("eval", "init", str(path), "-u", "ann").exit_code == 0
    assert run("eval", "init", str(path), "-u", "bo").exit_code == 2
    assert run("eval", "init", str(tmp_path / "other.toml")).exit_code == 2


def test_help_names_the_commands() -> None:
    shown = run("eval", "--help").stdout
    for name in ("run", "init", "check"):
        assert name in shown
    assert "--compare" in run("eval", "run", "--help").stdout
