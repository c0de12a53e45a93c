"""Each command does what its verb does, for people and for programs."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import answer, run
from tests.transfer.fixtures import MESSAGES, OPENAI, lines


def add(text: str, *options: str) -> dict[str, Any]:
    result: dict[str, Any] = answer("add", text, "--user", "ren", *options)["memories"][0]
    return result


def test_add_and_search() -> None:
    record = add("I keep bees on the roof.", "--metadata", '{"topic": "bees"}', "--name", "Ren", "--message-id", "m1")
    assert (record["name"], record["metadata"], record["sources"]) == ("Ren", {"topic": "bees"}, ["m1"])
    add("周末去爬山", "--timestamp", "2026-03-01T08:00:00+08:00", "--role", "assistant", "--run", "r")
    hits = answer("search", "bees", "-u", "ren")
    assert hits[0]["text"] == "I keep bees on the roof."
    assert answer("search", "爬山", "-u", "ren", "-n", "1")[0]["text"] == "周末去爬山"
    assert answer("search", "bees", "--run", "r", "--min-score", "0.5") == []
    assert len(answer("search", "bees", "--all-scopes", "--filter", '{"topic": "bees"}')) == 1
    assert answer("search", "bees", "-u", "ren", "--kind", "fact") == []
    assert hits[0]["explanation"] is None
    assert answer("search", "bees", "-u", "ren", "--explain")[0]["explanation"]["signals"]


def test_profile_shows_what_is_true_of_a_user() -> None:
    add("I live in Bern.", "--timestamp", "2026-03-01T08:00:00+00:00")
    add("我对虾过敏。", "--timestamp", "2026-03-02T08:00:00+00:00")
    add("我不喝酒。", "--timestamp", "2026-03-02T09:00:00+00:00")
    shown = run("profile", "-u", "ren").stdout
    assert shown.startswith("身份：\n- 2026-03-01 用户：I live in Bern.\n\n健康：\n- 2026-03-02 用户：我对虾过敏。")
    small = run("profile", "-u", "ren", "--max-tokens", "1")
    assert small.stdout == ""
    assert "Nothing" not in run("profile", "-u", "ren", "--max-tokens", "30").stderr
    assert "3 more lines had no room" in small.stderr
    assert [line["section"] for line in answer("profile", "-u", "ren")["lines"]] == [
        "identity",
        "health",
        "constraints",
    ]
    assert "Nothing is known." in run("profile", "-u", "someone").stderr


def test_context_is_ready_for_a_prompt() -> None:
    add("I keep bees on the roof.", "--name", "Ren", "--timestamp", "2026-03-01T08:00:00+08:00")
    add("周末去爬山", "--timestamp", "2026-03-02T08:00:00+08:00")
    shown = run("context", "bees", "-u", "ren")
    assert shown.stdout == "2026-03-01\nRen: I keep bees on the roof.\n\n2026-03-02\nuser: 周末去爬山\n"
    assert "of 1000 tokens" in shown.stderr
    assert answer("context", "bees", "-u", "ren", "--format", "xml")["text"].startswith("<memory>\n")
    small = answer("context", "bees", "-u", "ren", "--max-tokens", "1")
    assert (small["text"], [r["reason"] for r in small["left_out"]]) == ("", ["budget", "budget"])
    assert run("context", "bees", "-u", "ren", "--format", "html").exit_code == 2
    assert run("context", "bees").exit_code == 2


def test_trace_names_the_stage_at_which_a_memory_was_lost() -> None:
    kept = add("I keep bees on the roof.", "--message-id", "m1", "--metadata", '{"topic": "bees"}')["id"]
    gone = add("The bees swarmed in May.")["id"]
    change = answer("delete", gone, "--reason", "wrong year")
    shown = run("trace", "bees on the roof", "-u", "ren", "-e", "m1", "-e", gone, "-e", "nowhere")
    assert shown.exit_code == 0
    assert "m1: found. It is hit 1, and in the context." in shown.stdout
    assert f"{gone}: retired. " in shown.stdout
    assert "by cli, reason: wrong year" in shown.stdout
    assert "nowhere: never stored." in shown.stdout
    assert "swarmed" not in shown.stdout
    told = answer("trace", "bees on the roof", "-u", "ren", "--expect", kept, "--expect", gone)
    assert [(e["stage"], e["memory_id"]) for e in told["expected"]] == [("found", kept), ("retired", gone)]
    assert told["expected"][1]["change"]["id"] == change["id"]
    narrow = answer("trace", "bees", "-u", "ren", "-e", kept, "--filter", '{"topic": "goats"}')
    assert narrow["expected"][0]["condition"] == {"metadata.topic": {"eq": "goats"}}
    assert answer("trace", "bees", "-u", "ren", "-e", kept, "-t", "3")["expected"][0]["stage"] == "not in context"
    assert answer("trace", "-", "-u", "ren", stdin="roof\n")["expected"] == []
    assert run("trace", "bees").exit_code == 2


def test_text_from_stdin() -> None:
    assert answer("add", "-", "-u", "ren", stdin="雨后的屋顶\n两行\n")["memories"][0]["text"] == "雨后的屋顶\n两行"
    assert answer("search", "-", "-u", "ren", stdin="屋顶\n")[0]["text"].startswith("雨后")
    assert run("add", "-", "-u", "ren", stdin=b"\xff").exit_code == 2


def test_an_added_message_that_was_there_is_said_to_be() -> None:
    first = run("add", "I keep bees on the roof.", "-u", "ren", "--message-id", "m1")
    again = run("add", "I keep bees on the roof.", "-u", "ren", "--message-id", "m1")
    refreshed = run("add", "I keep bees on the roof.", "-u", "ren")
    assert "bees" in first.stdout
    assert again.stdout.startswith("Already there: ")
    assert refreshed.stdout.startswith("Said again")


def test_get_update_history_undo() -> None:
    id = add("I keep bees on the roof.")["id"]
    assert (
        answer("update", id, "I keep bees in the garden.", "--reason", "moved")["text"] == "I keep bees in the garden."
    )
    assert answer("update", id, "--metadata", '{"n": 1}', "--expires-at", "2030-01-01T00:00:00Z")["metadata"] == {
        "n": 1
    }
    assert answer("update", id, "--expires-at", "never")["expires_at"] is None
    history = answer("history", id)
    assert [c["action"] for c in history] == ["ADD", "UPDATE", "UPDATE", "UPDATE"]
    assert history[1]["reason"] == "moved"
    assert [c["action"] for c in answer("undo", history[1]["id"], "--cascade")]
    assert answer("get", id)["text"] == "I keep bees on the roof."
    assert "I keep bees on the roof." in run("get", id).stdout
    assert "UPDATE" in run("history", id).stdout
    assert run("get", id, "--user", "someone-else").exit_code == 1


def test_list_page_by_page() -> None:
    for number in range(5):
        add(f"Hive {number} is strong.")
    page = answer("list", "-u", "ren", "-n", "3")
    rest = answer("list", "-u", "ren", "-n", "3", "--cursor", page["next_cursor"])
    assert [r["text"][:6] for r in (*page["items"], *rest["items"])] == [f"Hive {n}" for n in range(5)]
    shown = run("list", "-u", "ren", "-n", "3")
    assert "Hive 0" in shown.stdout
    assert "--cursor" in shown.stderr
    assert "--cursor" not in shown.stdout


def test_delete_one_and_all() -> None:
    id = add("I keep bees on the roof.")["id"]
    change = answer("delete", id, "--reason", "sold them")
    assert (change["action"], change["reason"]) == ("DELETE", "sold them")
    assert run("get", id).exit_code == 1
    answer("undo", change["id"])
    add("And two goats.")
    assert run("delete", "--all", "-u", "ren").exit_code == 2
    assert answer("delete", "--all", "-u", "ren", "--yes") == {"deleted": 2}
    assert answer("list", "-u", "ren")["items"] == []


@pytest.mark.parametrize("arguments", [[], ["--all"], ["--all", "--yes"], ["some-id", "--all", "-u", "ren", "--yes"]])
def test_delete_must_say_what(arguments: list[str]) -> None:
    assert run("delete", *arguments).exit_code == 2


def test_erase_one_and_a_scope() -> None:
    id = add("I keep bees on the roof.")["id"]
    add("And two goats.")
    assert run("erase", id).exit_code == 2
    receipt = answer("erase", id, "--yes")
    assert (receipt["memories"], receipt["messages"], receipt["verified"], receipt["residue"]) == (1, 1, True, 0)
    assert answer("erase", "-u", "ren", "--yes")["memories"] == 1
    assert run("erase", "--yes").exit_code == 2
    assert run("erase", id, "--yes", "--user", "other").exit_code == 1


def test_stats_and_reset() -> None:
    add("I keep bees on the roof.")
    assert answer("stats")["memories"] == 1
    assert answer("stats", "-u", "other")["memories"] == 0
    assert run("reset").exit_code == 2
    assert answer("reset", "--yes") == {"reset": True}
    assert answer("stats")["memories"] == 0
    assert "memories" in run("stats").stdout


def test_import_and_export(tmp_path: Path) -> None:
    source, archive = tmp_path / "conversations.json", tmp_path / "archive.jsonl"
    source.write_text(json.dumps(OPENAI), encoding="utf-8")
    report = answer("import", str(source), "-u", "ren")
    assert (report["format"], report["messages"], report["skipped"]["tool call"]) == ("openai", 6, 1)
    assert answer("import", str(source), "-u", "ren")["known"] == 6
    assert answer("import", "-", "-u", "ren", stdin=lines(MESSAGES))["messages"] == 6
    assert answer("export", str(archive)) == {"messages": 12, "memories": 12, "changes": 12, "merges": 0}
    assert archive.stat().st_mode & 0o077 == 0
    assert run("export", str(archive)).exit_code == 2
    assert run("export", str(archive), "--force").exit_code == 0
    other = str(tmp_path / "other.db")
    assert answer("import", str(archive), "--store", other)["memories"] == 12
    assert answer("import", str(archive), "--store", other)["known"] == 36
    assert run("export", "--store", other).stdout.encode() == archive.read_bytes()
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".part")] == []


def test_export_to_stdout_is_nothing_but_the_archive() -> None:
    add("I keep bees on the roof.")
    result = run("export", "-u", "ren", "--json")
    assert [json.loads(row) for row in result.stdout.splitlines()][-1]["memories"] == 1
    assert "Exported" in result.stderr


def test_import_says_where_it_failed(tmp_path: Path) -> None:
    result = run("import", "-", "-u", "ren", stdin='{"content": "one"}\n{"content": \n')
    assert result.exit_code == 2
    assert "line 2 is not JSON" in result.stderr
    assert answer("stats")["messages"] == 1
    assert run("import", str(tmp_path / "nothing.jsonl")).exit_code == 2
    assert run("import", str(tmp_path)).exit_code == 2


def test_reembed() -> None:
    answer("add", "I keep bees on the roof.", "-u", "ren", "--embedder", "none")
    assert answer("stats")["unembedded"] == 1
    assert answer("reembed") == {"made": 1}
    assert answer("stats")["unembedded"] == 0
    assert run("reembed", "--embedder", "none").exit_code == 1


def test_doctor() -> None:
    fresh = answer("doctor")
    assert fresh["ok"] is True
    assert not Path(fresh["checks"][3]["detail"].split(" (")[0]).exists()
    add("I keep bees on the roof.")
    verdict = answer("doctor")
    assert verdict["ok"] is True
    assert {"Python", "SQLite", "folder", "file", "contents", "embedder"} <= {c["name"] for c in verdict["checks"]}
    assert "ok" in run("doctor").stdout


def test_doctor_names_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    add("I keep bees on the roof.")
    missing = run("doctor", "--embedder", "openai:some-model")
    assert missing.exit_code == 1
    assert "OPENAI_API_KEY" in missing.stdout
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"this is not a database, " * 400)
    result = run("doctor", "--store", str(broken))
    assert result.exit_code == 1
    assert "→" in result.stdout
    answer("add", "no vectors", "-u", "ren", "--embedder", "none", "--store", str(tmp_path / "words.db"))
    unembedded = run("doctor", "--store", str(tmp_path / "words.db"))
    assert unembedded.exit_code == 1
    assert "keepstone reembed" in unembedded.stdout


def test_commands_that_read_do_not_make_a_store(tmp_path: Path) -> None:
    path = tmp_path / "typo.db"
    for command in (["search", "x", "-u", "a"], ["list", "-u", "a"], ["stats"], ["export"], ["reset", "--yes"]):
        result = run(*command, "--store", str(path))
        assert (result.exit_code, "no store at" in result.stderr) == (1, True)
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "x"], "Say whose memory"),
        (["search", "x", "-u", "*"], "no wildcard"),
        (["search", "x", "-u", "a", "-n", "0"], "limit"),
        (["search", "x", "-u", "a", "--filter", "{"], "not JSON"),
        (["search", "x", "-u", "a", "--filter", "[]"], "not a JSON object"),
        (["search", "x", "-u", "a", "--filter", '{"a": {"like": 1}}'], "Unknown operator"),
        (["search", "x", "-u", "a", "--kind", "rumour"], "rumour"),
        (["add", "", "-u", "a"], "empty"),
        (["add", "x", "-u", "a", "--timestamp", "2026-01-01T00:00:00"], "no zone"),
        (["update", "some-id"], "Nothing to change"),
        (["nonsense"], "No such command"),
    ],
)
def test_asking_wrongly_ends_with_2(arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_a_stored_text_cannot_steer_the_terminal() -> None:
    record = add("red \x1b[31malert\x07 [bold]not markup[/bold]")
    for shown in (run("list", "-u", "ren"), run("search", "alert", "-u", "ren"), run("get", record["id"])):
        assert "\x1b" not in shown.stdout
        assert "\x07" not in shown.stdout
        assert "[bold]not markup[/bold]" in shown.stdout


def test_a_long_text_is_cut_in_lists_and_whole_in_get() -> None:
    record = add("bee " * 1000)
    assert run("list", "-u", "ren").stdout.count("bee") < 150
    assert run("get", record["id"]).stdout.count("bee") == 1000
