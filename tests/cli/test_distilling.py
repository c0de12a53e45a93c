"""What the command line shows of a chat model's work, asked over real HTTP."""

from pathlib import Path

import pytest

from keepstone.errors import AuthenticationError
from tests.cli.chat import MODEL, change, changes, serving
from tests.cli.running import answer, run
from tests.transfer.fixtures import lines

CRICKET = changes(change("add", "用户周末喜欢打板球。"))
TENNIS = changes(change("supersede", "用户周末改打网球了。", target="k1"))


def test_a_hobby_in_chinese_is_stored_superseded_and_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, CRICKET, TENNIS) as model:
        first = run("add", "周末喜欢打板球", "-u", "ren")
        made = answer("add", "板球不打了，周末改打网球了。", "-u", "ren")["distilled"]
    assert "Added: 用户周末喜欢打板球。" in first.stdout
    assert f"1 call of {MODEL}: " in first.stderr
    assert [(c["action"], c["text"]) for c in made["changes"]] == [
        ("ADD", "用户周末改打网球了。"),
        ("SUPERSEDE", "用户周末喜欢打板球。"),
    ]
    assert (made["status"], made["receipts"][0]["prompt"]) == ("done", "single_pass/1/zh")
    assert "用户周末喜欢打板球。" in model.calls[1].messages[1].content
    hits = answer("search", "爱好是什么？周末做什么运动？", "-u", "ren", "--kind", "fact")
    assert [(h["text"], h["memory"]["status"]) for h in hits] == [
        ("用户周末改打网球了。", "current"),
        ("用户周末喜欢打板球。", "superseded"),
    ]
    current = answer("search", "周末做什么运动？", "-u", "ren", "--kind", "fact", "--hide-superseded")
    assert [h["text"] for h in current] == ["用户周末改打网球了。"]


def test_history_says_which_model_and_prompt_made_a_change_and_undo_takes_the_batch_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(monkeypatch, CRICKET, TENNIS):
        old = answer("add", "周末喜欢打板球", "-u", "ren")["distilled"]["changes"][0]["memory_id"]
        batch = answer("add", "板球不打了，周末改打网球了。", "-u", "ren")["distilled"]["batch_ids"][0]
    shown = " ".join(run("history", old).stdout.split())
    assert shown.count(f"model {MODEL} · prompt single_pass/1/zh · strategy single_pass · batch ") == 2
    assert batch in shown
    assert len(answer("undo", batch)) == 2
    assert answer("get", old)["status"] == "current"
    assert [m["text"] for m in answer("list", "-u", "ren", "--kind", "fact")["items"]] == ["用户周末喜欢打板球。"]


def test_a_deleted_fact_comes_back_with_the_words_that_went_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, CRICKET):
        fact = answer("add", "周末喜欢打板球", "-u", "ren")["distilled"]["changes"][0]["memory_id"]
    deleted = run("delete", fact)
    assert answer("list", "-u", "ren")["items"] == []
    assert run("undo", deleted.stdout.split()[-1]).exit_code == 0
    assert [m["text"] for m in answer("list", "-u", "ren")["items"]] == ["周末喜欢打板球", "用户周末喜欢打板球。"]


def test_what_was_refused_said_again_and_retired_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = change("add", "Ren keeps 40 bees.")
    with serving(
        monkeypatch,
        changes(change("add", "Ren keeps bees on the roof."), wrong),
        changes(wrong),
        changes(change("update", "Ren keeps bees on the roof of the barn.", target="k1")),
        changes(change("none", "Ren keeps bees on the roof of the barn.", target="k1")),
        changes(change("delete", "Ren keeps bees on the roof of the barn.", target="k1")),
    ):
        options = ("-u", "ren", "--name", "Ren")
        added = run("add", "I keep bees on the roof.", *options)
        updated = run("add", "I keep bees on the roof of the barn.", *options)
        again = run("add", "As I said, I keep bees on the roof of the barn.", *options)
        retired = run("add", "I never kept bees on the roof of the barn.", *options)
    assert added.exit_code == 0
    assert "Added: Ren keeps bees on the roof. (" in added.stdout
    assert "Refused, number: Ren keeps 40 bees. (" in added.stdout
    assert "2 calls of" in added.stderr
    assert "Something is left over" in added.stderr
    assert "Updated: Ren keeps bees on the roof. → Ren keeps bees on the roof of the barn. (" in updated.stdout
    assert "Said again: Ren keeps bees on the roof of the barn. (" in again.stdout
    assert "Retired: Ren keeps bees on the roof of the barn. (" in retired.stdout


def test_instructions_and_procedures_reach_the_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wishes = tmp_path / "wishes.txt"
    wishes.write_text("只记饮食，不记健康。", encoding="utf-8")
    said = [{"role": "user", "content": "The garden has a pond."}]
    with serving(monkeypatch, *[changes()] * 3) as model:
        answer("add", "我每天喝绿茶。", "-u", "ren", "--instructions", f"@{wishes}", "--procedures")
        answer("add", "I drink green tea.", "-u", "ren", "--instructions", "Only what is eaten.")
        answer("import", "-", "-u", "kim", "--instructions", "Only gardens.", "--procedures", stdin=lines(said))
    chinese, english, imported = (call.messages[0].content for call in model.calls)
    assert "只记饮食，不记健康。" in chinese
    assert '"procedure"' in chinese
    assert "Only what is eaten." in english
    assert '"procedure"' not in english
    assert "Only gardens." in imported
    assert '"procedure"' in imported
    missing = run("add", "I drink green tea.", "-u", "ren", "--instructions", "@nowhere.txt")
    assert (missing.exit_code, "nowhere.txt cannot be read" in missing.stderr) == (2, True)
    wishes.write_bytes(b"\xff")
    assert run("add", "I drink green tea.", "-u", "ren", "--instructions", f"@{wishes}").exit_code == 2


def test_what_was_not_waited_for_is_done_by_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, AuthenticationError("scripted", "wrong key", retryable=False), CRICKET) as model:
        kept = run("add", "周末喜欢打板球", "-u", "ren")
        assert kept.exit_code == 0
        assert "周末喜欢打板球" in kept.stdout
        assert "Something is left over" in kept.stderr
        listed = run("jobs")
        assert "dead" in listed.stdout
        assert "AuthenticationError" in listed.stdout
        (job,) = answer("jobs", "-u", "ren")
        assert (job["state"], job["attempts"]) == ("dead", 1)
        assert answer("jobs", "-u", "kim") == []
        assert run("jobs", "--retry", "nowhere").exit_code == 1
        assert answer("jobs", "--retry", job["id"]) == {"retried": 1}
        assert answer("jobs", "--retry", "all") == {"retried": 0}
        assert "waiting" in run("jobs").stdout
        flushed = run("flush", "-u", "ren", "--wait", "30")
        assert (flushed.exit_code, flushed.stderr.strip()) == (0, "No jobs.")
        assert len(model.calls) == 2
    assert [m["text"] for m in answer("list", "-u", "ren", "--kind", "fact")["items"]] == ["用户周末喜欢打板球。"]


def test_a_job_may_be_left_to_a_later_command(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, CRICKET, CRICKET):
        left = answer("add", "周末喜欢打板球", "-u", "ren", "--wait", "0")["distilled"]
        assert left["status"] in ("pending", "done")
        assert answer("flush") == []
    assert [m["text"] for m in answer("list", "-u", "ren", "--kind", "fact")["items"]] == ["用户周末喜欢打板球。"]


def test_usage_by_time_and_by_model(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, changes(), changes()):
        answer("add", "周末喜欢打板球", "-u", "ren")
        answer("add", "I keep bees on the roof.", "-u", "kim", "--model", "openai:other")
    found = answer("usage")
    assert (found["calls"], found["models"]) == (2, {MODEL: 1, "openai:other": 1})
    assert found["input_tokens"] > 500
    assert answer("usage", "-u", "ren")["models"] == {MODEL: 1}
    assert answer("usage", "--until", "2020-01-01T00:00:00Z")["calls"] == 0
    assert answer("usage", "--since", "2020-01-01T00:00:00Z")["calls"] == 2
    assert run("usage", "--since", "yesterday").exit_code == 2
    shown = run("usage").stdout
    assert "1  openai:other" in shown
    assert "input tokens" in shown


def test_feedback_moves_a_memory_and_can_be_undone() -> None:
    id = answer("add", "I keep bees on the roof.", "-u", "ren")["memories"][0]["id"]
    assert answer("feedback", id, "positive")["action"] == "FEEDBACK"
    change = answer("feedback", id, "very-negative", "--reason", "wrong roof")
    assert (change["reason"], answer("get", id)["strength"]) == ("wrong roof", -0.25)
    assert "keepstone undo" in run("feedback", id, "negative").stdout
    answer("undo", change["id"], "--cascade")
    assert answer("get", id)["strength"] > -0.25
    assert run("feedback", id, "good").exit_code == 2
    assert run("feedback", "nowhere", "positive").exit_code == 1


def test_an_import_tells_what_a_model_made_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    said = [{"role": "user", "content": text, "user_id": "ren"} for text in ("我每天喝绿茶。", "周末喜欢打板球")]
    with serving(monkeypatch, changes(change("add", "用户周末喜欢打板球。", sources=["m2"]))):
        made = answer("import", "-", stdin=lines(said))["distilled"]
    assert (made["added"], made["calls"], made["unpriced"], made["pending"], made["failed"]) == (1, 1, 1, 0, 0)
    with serving(monkeypatch, AuthenticationError("scripted", "wrong key", retryable=False)):
        shown = run("import", "-", "-u", "kim", "--wait", "60", stdin=lines(said))
    assert (shown.exit_code, "Something is left over: keepstone jobs" in shown.stderr) == (0, True)
    monkeypatch.delenv("KEEPSTONE_CHAT_MODEL")
    assert answer("import", "-", "-u", "lee", stdin=lines(said))["distilled"] is None


def test_commands_that_ask_no_model_mind_no_wrong_one(monkeypatch: pytest.MonkeyPatch) -> None:
    answer("add", "I keep bees on the roof.", "-u", "ren")
    monkeypatch.setenv("KEEPSTONE_CHAT_MODEL", "nobody:nothing")
    for command in (("list", "-u", "ren"), ("search", "bees", "-u", "ren"), ("jobs",), ("usage",), ("stats",)):
        assert run(*command).exit_code == 0
    refused = run("add", "I keep bees.", "-u", "ren")
    assert (refused.exit_code, "Unknown chat model" in refused.stderr) == (1, True)
    assert run("add", "I keep bees.", "-u", "ren", "--model", "none").exit_code == 0
    monkeypatch.delenv("KEEPSTONE_CHAT_MODEL")
    assert "There is no chat model" in run("flush").stderr


def test_a_reply_that_cannot_be_read_is_kept_with_its_job(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, *["Sure, noted!"] * 10):
        made = answer("add", "周末喜欢打板球", "-u", "ren")["distilled"]
    (job,) = answer("jobs")
    assert (made["status"], job["state"], job["reply"]) == ("failed", "dead", "Sure, noted!")


BEES = changes(change("add", "User keeps bees on the roof."))
CELLO = changes(change("add", "User's sister plays the cello."))


def test_what_another_model_makes_is_shown_accepted_and_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, BEES, changes(change("add", "User has a sister.")), *[BEES, CELLO] * 3) as model:
        for said in ("I keep bees on the roof.", "My sister plays the cello."):
            answer("add", said, "-u", "ren")
        draft = answer("reextract", "-u", "ren", "--instructions", "Only music.")
        shown = run("reextract", "-u", "ren")
        assert [m["text"] for m in answer("list", "-u", "ren", "--kind", "fact")["items"]] == [
            "User keeps bees on the roof.",
            "User has a sister.",
        ]
        accepted = run("reextract", "-u", "ren", "--accept", "--model", "openai:other")
    assert [[m["text"] for m in draft[part]] for part in ("kept", "added", "dropped")] == [
        ["User keeps bees on the roof."],
        ["User's sister plays the cello."],
        ["User has a sister."],
    ]
    assert (draft["model"], draft["changes"]) == (MODEL, [])
    assert "Only music." in model.calls[2].messages[0].content
    assert shown.stdout.splitlines()[0] == "+ User's sister plays the cello."
    assert shown.stdout.splitlines()[1].startswith("- User has a sister. (")
    assert shown.stdout.splitlines()[2] == "1 kept, 1 new, 1 would go."
    assert "Nothing was changed." in shown.stderr
    assert "2 calls of openai:other" in accepted.stderr
    assert [m["text"] for m in answer("list", "-u", "ren", "--kind", "fact")["items"]] == [
        "User keeps bees on the roof.",
        "User's sister plays the cello.",
    ]
    answer("undo", accepted.stderr.split()[-1])
    assert answer("list", "-u", "ren", "--kind", "fact")["items"][1]["text"] == "User has a sister."
    monkeypatch.delenv("KEEPSTONE_CHAT_MODEL")
    assert "There is no chat model" in run("reextract", "-u", "ren").stderr
    assert run("reextract", "--model", MODEL).exit_code == 2


def test_a_draft_tells_what_was_refused_and_what_could_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = changes(change("add", "User keeps 40 bees."))
    with serving(monkeypatch, BEES, wrong, wrong):
        answer("add", "I keep bees on the roof.", "-u", "ren")
        shown = run("reextract", "-u", "ren")
    assert "0 kept, 0 new, 1 would go." in shown.stdout
    assert "Refused, number: User keeps 40 bees. (" in shown.stderr
    assert "Not all was read: " in shown.stderr


def test_what_says_the_same_is_merged_and_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, BEES, CELLO):
        for said in ("I keep bees on the roof.", "My sister plays the cello."):
            answer("add", said, "-u", "ren")
    other = answer("list", "-u", "ren", "--kind", "fact")["items"][1]["id"]
    assert "Nothing says the same twice." in run("consolidate", "-u", "ren").stderr
    answer("update", other, "The user keeps bees on the roof.")
    merged = run("consolidate", "-u", "ren")
    assert [m["text"] for m in answer("list", "-u", "ren", "--kind", "fact")["items"]] == [
        "User keeps bees on the roof."
    ]
    answer("undo", merged.stderr.split()[-1])
    assert [c["action"] for c in answer("consolidate", "-u", "ren")] == ["UPDATE", "DELETE"]
    assert run("consolidate").exit_code == 2
