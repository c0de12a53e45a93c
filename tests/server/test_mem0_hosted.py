"""Mem0's hosted interface, as its clients speak it: each route has its effect in the store."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from keepstone.chat import ChatReply, ChatRequest
from keepstone.stores.sqlite import SqliteStore
from keepstone.testing import ScriptedChatModel
from tests.distillation.speaking import change, reply
from tests.server.mem0_client import Client
from tests.server.serving import Serving, serving

ANA = {"user_id": "ana"}


class Gated(ScriptedChatModel):
    """Answers once it is allowed to."""

    def __init__(self, replies: list[dict[str, Any]]) -> None:
        super().__init__(replies)
        self.allowed = asyncio.Event()

    async def reply(self, request: ChatRequest) -> ChatReply:
        await self.allowed.wait()
        return await super().reply(request)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One server over one file for all: what it serves is emptied before each test."""
    with serving(store=SqliteStore(tmp_path_factory.mktemp("mem0") / "memory.db")) as found:
        yield found


@pytest.fixture
def mem0(server: Serving) -> Iterator[Client]:
    server.run(server.service.memory_of("").reset(confirm=True))
    with Client(server) as found:
        yield found


def test_a_ping_says_what_a_client_needs(mem0: Client) -> None:
    told = mem0("GET", "/v1/ping/")
    assert (told["status"], told["org_id"], told["project_id"]) == ("ok", "keepstone", "default")
    # With an address, Mem0's client would tell its own statistics who this is.
    assert "@" not in told["user_email"]


def test_what_is_added_is_a_memory_at_once(mem0: Client) -> None:
    said = mem0.add("I keep bees.", metadata={"topic": "bees"}, expiration_date="2999-01-31", source="CLI")
    assert said["status"] == "SUCCEEDED"
    assert "warnings" not in said
    id = said["results"][0]["id"]
    stored = mem0.stored(id)
    assert (stored["text"], stored["scope"]["user_id"]) == ("I keep bees.", "ana")
    assert (stored["metadata"], stored["expires_at"]) == ({"topic": "bees"}, "2999-02-01T00:00:00+00:00")
    event = mem0("GET", f"/v1/event/{said['event_id']}/")
    assert (event["status"], event["event_type"]) == ("SUCCEEDED", "ADD")
    assert event["results"][0]["data"]["memory"] == "I keep bees."
    again = mem0.add("I keep bees.", timestamp=1_700_000_000)
    assert mem0("GET", f"/v1/event/{again['event_id']}/")["status"] == "SUCCEEDED"
    mem0("GET", "/v1/event/nothing/", 404)
    repeated = mem0.add("I keep bees.", timestamp=1_700_000_000)
    assert repeated["results"] == []
    assert mem0("GET", f"/v1/event/{repeated['event_id']}/")["status"] == "SUCCEEDED"


def test_a_chat_model_reads_in_the_background() -> None:
    model = Gated([reply(change("add", "I moved to Porto."))])
    with serving(chat_model=model) as server, Client(server) as mem0:
        said = mem0.add("I moved to Porto.", custom_instructions="Keep places.", includes="homes", excludes="money")
        assert said["status"] == "PENDING"
        assert "warnings" not in said
        assert mem0("GET", f"/v1/event/{said['event_id']}/")["status"] in ("PENDING", "RUNNING")
        server.loop.call_soon_threadsafe(model.allowed.set)
        mem0.native.post("/api/v1/flush", json={"timeout": 20, **ANA})
        done = mem0("GET", f"/v1/event/{said['event_id']}/")
        assert (done["status"], [r["event"] for r in done["results"]]) == ("SUCCEEDED", ["ADD"])
        asked = str(model.calls[0])
        assert all(words in asked for words in ("Keep places.", "homes", "money"))
        assert {r["kind"] for r in mem0("POST", "/v3/memories/", json={"filters": ANA})["results"]} == {
            "episode",
            "fact",
        }


def test_what_has_no_effect_is_warned_of(mem0: Client) -> None:
    said = mem0.add(
        "I collect stamps.",
        immutable=True,
        structured_data_schema={"a": 1},
        custom_categories=[{"hobby": "what somebody likes"}],
        made_up=1,
        metadata={"user_id": "ben", "a": 1},
    )
    warned = " ".join(said["warnings"])
    for name in ("immutable", "structured_data_schema", "custom_categories", "made_up", "no chat model", "metadata"):
        assert name in warned
    assert mem0.headers["warning"].count("299 keepstone") == len(said["warnings"])
    assert mem0.stored(said["results"][0]["id"])["metadata"] == {"a": 1}
    found = mem0("POST", "/v3/memories/search/", json={"query": "stamps", "filters": ANA, "rerank": True, "é": 1})
    assert any("rerank" in w for w in found["warnings"])
    assert "a name) is not supported" in found["warnings"][1]


def test_a_timestamp_is_when_it_was_said(mem0: Client) -> None:
    id = mem0.id_of("我在学陶艺。", timestamp=1_560_000_000)
    assert mem0.stored(id)["occurred_at"].startswith("2019-06-08T13:20:00")
    assert mem0("GET", f"/v1/memories/{id}/")["created_at"].startswith("2019-06-08")


def test_search_narrows_and_shapes(mem0: Client) -> None:
    mem0.add("I grow tomatoes on the roof.", metadata={"topic": "garden"}, run_id="r1")
    mem0.add("I grow beans on the roof.", metadata={"topic": "beans"})
    mem0.add("Tomatoes are sold out.", user_id="ben")

    def found(**body: Any) -> list[str]:
        answer = mem0("POST", "/v3/memories/search/", json={"query": "tomatoes roof", "filters": ANA, **body})
        return [r["memory"] for r in answer["results"]]

    assert found() == ["I grow tomatoes on the roof.", "I grow beans on the roof."]
    assert found(top_k=1) == ["I grow tomatoes on the roof."]
    assert found(filters={"AND": [ANA, {"metadata": {"topic": "beans"}}]}) == ["I grow beans on the roof."]
    assert found(filters={"AND": [ANA, {"run_id": "r1"}]}) == ["I grow tomatoes on the roof."]
    assert found(metadata={"topic": "garden"}) == ["I grow tomatoes on the roof."]
    assert found(threshold=1.0) == []
    assert found(categories=["nothing"]) == []
    only = mem0("POST", "/v3/memories/search/", json={"query": "roof", "filters": ANA, "fields": ["memory"]})
    assert set(only["results"][0]) == {"id", "memory"}
    mem0("POST", "/v3/memories/search/", 400, json={"query": "  ", "filters": ANA})


def test_what_was_superseded_or_has_expired_can_be_left_out(mem0: Client) -> None:
    mem0.add("The code is 17.", expiration_date="2020-01-01")
    assert mem0.listed() == []
    assert mem0.listed(show_expired=True) == ["The code is 17."]
    mem0.add("I work at the mill.", timestamp=1_577_836_800)
    past = {"query": "mill", "filters": ANA, "reference_date": "2019-06-01"}
    assert mem0("POST", "/v3/memories/search/", json=past)["results"] == []
    assert len(mem0("POST", "/v3/memories/search/", json={**past, "reference_date": 1_609_459_200})["results"]) == 1
    assert mem0.listed(latest_only=True) == ["I work at the mill."]


def test_pages_are_numbered(mem0: Client) -> None:
    for number in range(5):
        mem0.add(f"Number {number} is a number.", metadata={"even": number % 2 == 0})
    first = mem0("POST", "/v3/memories/", json={"filters": ANA}, params={"page": 1, "page_size": 2})
    assert (first["count"], first["previous"], len(first["results"])) == (5, None, 2)
    second = mem0("POST", first["next"], json={"filters": ANA})
    assert [r["memory"] for r in second["results"]] == ["Number 2 is a number.", "Number 3 is a number."]
    last = mem0("POST", second["next"], json={"filters": ANA})
    assert (last["next"], len(last["results"])) == (None, 1)
    even = mem0("POST", "/v3/memories/", json={"filters": {**ANA, "even": True}}, params={"page_size": 2})
    assert (even["count"], len(even["results"])) == (3, 2)
    assert mem0.listed(page=9, page_size=2) == []
    for wrong in ("0", "x", "-1"):
        mem0("POST", "/v3/memories/", 400, json={"filters": ANA}, params={"page": wrong})
    mem0("POST", "/v3/memories/", 400, json={"filters": ANA}, params={"page": 90_000, "page_size": 1_000})


def test_a_memory_is_updated_and_its_history_shown(mem0: Client) -> None:
    id = mem0.id_of("I live in Lyon.", metadata={"a": 1})
    body = {"text": "I live in Nice.", "metadata": {"b": 2}, "expiration_date": "2999-12-31"}
    changed = mem0("PUT", f"/v1/memories/{id}/", json=body)
    assert (changed["memory"], changed["metadata"]) == ("I live in Nice.", {"a": 1, "b": 2})
    stored = mem0.stored(id)
    assert (stored["text"], stored["revision"], stored["expires_at"][:10]) == ("I live in Nice.", 2, "3000-01-01")
    mem0("PUT", f"/v1/memories/{id}/", json={"expiration_date": None})
    assert mem0.stored(id)["expires_at"] is None
    warned = mem0("PUT", f"/v1/memories/{id}/", json={"timestamp": 1})
    assert "timestamp" in warned["warnings"][0]
    assert mem0.stored(id)["revision"] == 3
    mem0("DELETE", f"/v1/memories/{id}/")
    mem0("GET", f"/v1/memories/{id}/", 404)
    rows = mem0("GET", f"/v1/memories/{id}/history/")
    assert [r["event"] for r in rows] == ["ADD", "UPDATE", "UPDATE", "DELETE"]
    assert (rows[1]["old_memory"], rows[1]["new_memory"]) == ("I live in Lyon.", "I live in Nice.")
    mem0("PUT", f"/v1/memories/{id}/", 404, json={"text": "x"})
    mem0("PUT", "/v1/memories/nothing/", 404, json={"text": "x"})


def test_deleting_says_whose(mem0: Client) -> None:
    mem0.add("I like tea.")
    mem0.add("I like tea.", user_id="ben")
    for params in ({}, {"user_id": "*"}, {"user_id": "ana", "metadata": "x"}, {"filters": '{"OR": []}'}):
        mem0("DELETE", "/v1/memories/", 400, params=params)
    assert len(mem0.listed()) == 1
    gone = mem0("DELETE", "/v1/memories/", params={"user_id": "ana", "source": "CLI"})
    assert gone["deleted"] == 1
    assert mem0.listed() == []
    assert mem0.listed({"user_id": "ben"}) == ["I like tea."]
    mem0("DELETE", "/v1/memories/", params={"filters": json.dumps({"user_id": "ben"})})
    assert mem0.listed({"user_id": "ben"}) == []


def test_what_a_memory_superseded_can_go_with_it() -> None:
    model = ScriptedChatModel(
        [
            reply(change("add", "I live in Lyon.")),
            reply(change("supersede", "I live in Nice.", target="k1")),
        ]
    )
    with serving(chat_model=model) as server, Client(server) as mem0:
        for text in ("I live in Lyon.", "I live in Nice."):
            mem0.add(text)
            mem0.native.post("/api/v1/flush", json={"timeout": 20, **ANA})
        facts = [r for r in mem0("POST", "/v3/memories/", json={"filters": ANA})["results"] if r["kind"] == "fact"]
        assert [(f["memory"], f["status"]) for f in facts] == [
            ("I live in Lyon.", "superseded"),
            ("I live in Nice.", "current"),
        ]
        gone = mem0("DELETE", f"/v1/memories/{facts[1]['id']}/", params={"delete_linked": "true"})
        assert gone["deleted"] == 2
        mem0("GET", f"/v1/memories/{facts[0]['id']}/", 404)


def test_batches_are_all_or_nothing_there(mem0: Client) -> None:
    ids = [mem0.id_of(f"Item {n} is here.") for n in range(3)]
    items = [{"memory_id": i, "text": f"Item {n} was moved."} for n, i in enumerate(ids)]
    assert mem0("PUT", "/v1/batch/", json={"memories": items})["updated"] == 3
    assert mem0.stored(ids[2])["text"] == "Item 2 was moved."
    mem0("PUT", "/v1/batch/", 404, json={"memories": [*items, {"memory_id": "no", "text": "x"}]})
    mem0("DELETE", "/v1/batch/", 404, json={"memories": [{"memory_id": ids[0]}, {"memory_id": "no"}]})
    assert len(mem0.listed()) == 3
    mem0("DELETE", "/v1/batch/", json={"memories": [{"memory_id": i} for i in ids[:2]]})
    assert mem0.listed() == ["Item 2 was moved."]


def test_feedback_moves_the_strength(mem0: Client) -> None:
    id = mem0.id_of("I sing in a choir.")
    said = {"memory_id": id, "feedback": "POSITIVE", "feedback_reason": "right"}
    assert mem0("POST", "/v1/feedback/", json=said)["feedback"] == "POSITIVE"
    assert mem0.stored(id)["strength"] == 0.25
    mem0("POST", "/v1/feedback/", 400, json={"memory_id": id, "feedback": None})
    mem0("POST", "/v1/feedback/", 404, json={**said, "memory_id": "nothing"})


def test_an_export_has_the_memories(mem0: Client) -> None:
    mem0.add("I fish for trout.")
    mem0.add("I fish for pike.", user_id="ben")
    asked = mem0("POST", "/v1/exports/", json={"schema": {"type": "object"}, "filters": {"AND": [ANA]}})
    assert "schema" in asked["warnings"][0]
    for body in ({"memory_export_id": asked["id"]}, {"filters": ANA}, ANA):
        assert [r["memory"] for r in mem0("POST", "/v1/exports/get/", json=body)["memories"]] == ["I fish for trout."]
    for wrong in ("nothing", "export_e30x", "export_" + "W10"):
        mem0("POST", "/v1/exports/get/", 404, json={"memory_export_id": wrong})
    mem0("POST", "/v1/exports/", 400, json={"schema": {}})


def test_summaries_profiles_and_counts(mem0: Client) -> None:
    mem0.add("My name is Ana and I live in Porto.")
    assert "Porto" in mem0("POST", "/v1/summary/", json={"filters": ANA})["summary"]
    profile = mem0("GET", "/v2/entities/user/ana/profile/")
    assert profile["status"] == "succeeded"
    assert "Porto" in str(profile["profile"])
    mem0("GET", "/v2/entities/user/nobody/profile/", 404)
    job = mem0("POST", "/v2/profiles/jobs/", json={"operation": "trigger", "entity_type": "user", "entity_id": "ana"})
    assert mem0("GET", job["status_url"])["job"]["status"] == "succeeded"
    mem0("GET", "/v2/profiles/jobs/other/", 404)
    assert mem0("GET", "/v2/profiles/settings/")["enabled"] is True
    assert mem0("POST", "/v2/profiles/settings/", json={"enabled": True})["enabled"] is True
    mem0("POST", "/v2/profiles/settings/", 400, json={"enabled": False})
    assert mem0("GET", "/v1/stats/")["total_memories"] == 1
    assert mem0("GET", "/v1/stats/", params={"user_id": "ben"})["total_memories"] == 0


def test_a_project_is_the_tenant(mem0: Client) -> None:
    path = "/api/v1/orgs/organizations/keepstone/projects/default/"
    assert mem0("GET", path, params={"fields": "multilingual"}) == {"multilingual": True}
    assert mem0("PATCH", path, json={"multilingual": True})["multilingual"] is True
    refused = mem0("PATCH", path, 400, json={"custom_instructions": "Keep all."})
    assert "nothing was changed" in refused["detail"]
    mem0("GET", "/api/v1/orgs/organizations/keepstone/projects/other/", 404)


def test_older_clients_are_answered_in_their_shapes(mem0: Client) -> None:
    body = {"messages": [{"role": "user", "content": "I paint boats."}], **ANA}
    assert [r["event"] for r in mem0("POST", "/v1/memories/", json=body)] == ["ADD"]
    again = {**body, "messages": "I paint trains.", "output_format": "v1.1"}
    assert mem0("POST", "/v1/memories/", json=again)["results"][0]["data"]["memory"] == "I paint trains."
    pending = mem0("POST", "/v1/memories/", json={**body, "messages": "I paint cars.", "async_mode": True})
    assert pending[0]["event_id"]
    assert len(mem0("GET", "/v1/memories/", params=ANA)) == 3
    assert mem0("GET", "/v1/memories/", params={**ANA, "page": 1, "page_size": 2})["count"] == 3
    assert len(mem0("POST", "/v2/memories/", json={"filters": ANA})) == 3
    assert mem0("POST", "/v1/memories/search/", json={"query": "boats", **ANA})[0]["memory"] == "I paint boats."
    found = {"query": "boats", "filters": ANA, "output_format": "v1.1"}
    assert mem0("POST", "/v2/memories/search/", json=found)["results"][0]["memory"] == "I paint boats."
    mem0("GET", "/v1/memories/", 400)
    mem0("GET", "/v1/memories/", 422, params={"user_id": "a" * 300})


def test_both_forms_of_a_path_are_served_without_a_redirect(mem0: Client) -> None:
    id = mem0.id_of("I row on Fridays.")
    for path in (f"/v1/memories/{id}", f"/v1/memories/{id}/"):
        assert mem0("GET", path)["memory"] == "I row on Fridays."
    for path in ("/v3/memories/search", "/v3/memories/search/"):
        assert mem0("POST", path, json={"query": "row", "filters": ANA})["results"]


def test_no_filter_reaches_further_than_the_key(server: Serving, mem0: Client) -> None:
    for user in ("ana", "ben"):
        mem0.add("I like the sea.", user_id=user, app_id="boats")
    both = ["I like the sea."] * 2
    assert mem0.listed({"user_id": "*"}) == both
    assert mem0.listed({"AND": [{"app_id": "boats"}, {"user_id": "*"}]}) == both
    either = {"OR": [{"user_id": "ana"}, {"user_id": "ben"}]}
    for filters in (either, {"NOT": [{"user_id": "ben"}]}, {}, {"topic": "x"}, {**ANA, "AND": [{"user_id": "ben"}]}):
        mem0("POST", "/v3/memories/", 400, json={"filters": filters})
        mem0("POST", "/v3/memories/search/", 400, json={"query": "sea", "filters": filters})


def test_a_pinned_key_sees_its_own(server: Serving, mem0: Client) -> None:
    for user in ("ana", "ben"):
        mem0.add("I like the sea.", user_id=user)
    everybody = {"filters": {"user_id": "*"}}
    either = {"filters": {"OR": [{"user_id": "ana"}, {"user_id": "ben"}]}}
    with Client(server, server.key("write", user_id="ana")) as pinned:
        for body in (everybody, either):
            assert [r["user_id"] for r in pinned("POST", "/v3/memories/", json=body)["results"]] == ["ana"]
            found = pinned("POST", "/v3/memories/search/", json={"query": "sea", **body})
            assert [r["user_id"] for r in found["results"]] == ["ana"]
        pinned("POST", "/v3/memories/", 403, json={"filters": {"AND": [{"user_id": "ben"}]}})
        pinned("POST", "/v3/memories/add/", 403, json={"messages": "x", "user_id": "ben"})
        pinned("DELETE", "/v1/memories/", 403, params={"user_id": "ben"})
        pinned("DELETE", "/v1/memories/", 400)
        pinned("DELETE", "/v2/entities/user/ben/", 403)
        pinned("GET", "/v1/entities/", 403)


def test_a_foreign_id_is_not_there(server: Serving, mem0: Client) -> None:
    foreign = mem0.id_of("This is Ben's.", user_id="ben")
    with Client(server, server.key("write", user_id="ana")) as pinned:
        for method, path, body in (
            ("GET", f"/v1/memories/{foreign}/", None),
            ("GET", f"/v1/memories/{foreign}/history/", None),
            ("PUT", f"/v1/memories/{foreign}/", {"text": "x"}),
            ("DELETE", f"/v1/memories/{foreign}/", None),
            ("PUT", "/v1/batch/", {"memories": [{"memory_id": foreign, "text": "x"}]}),
            ("DELETE", "/v1/batch/", {"memories": [{"memory_id": foreign}]}),
            ("POST", "/v1/feedback/", {"memory_id": foreign, "feedback": "POSITIVE"}),
        ):
            pinned(method, path, 404, json=body)
    assert mem0.stored(foreign)["revision"] == 1


def test_a_key_that_reads_changes_nothing(server: Serving, mem0: Client) -> None:
    id = mem0.id_of("I like the hills.")
    with Client(server, server.key("read")) as reader:
        assert reader("GET", f"/v1/memories/{id}/")["memory"] == "I like the hills."
        reader("POST", "/v3/memories/add/", 403, json={"messages": "x", **ANA})
        reader("PUT", f"/v1/memories/{id}/", 403, json={"text": "x"})
        reader("DELETE", f"/v1/memories/{id}/", 403)
        reader("DELETE", "/v2/entities/user/ana/", 403)
    with Client(server, "ks_wrong") as nobody:
        assert nobody("GET", "/v1/ping/", 401)["detail"]


def test_what_was_imported_answers_to_its_old_id(mem0: Client) -> None:
    old = "6f1c0d3e-8a55-4a4e-9b1f-0a8f3f6f2a10"
    message = {"content": "I was imported.", "id": old}
    new = mem0.native.post("/api/v1/memories", json={"messages": message, **ANA}).json()["memories"][0]["id"]
    assert mem0("GET", f"/v1/memories/{old}/")["id"] == new
    mem0("PUT", f"/v1/memories/{old}/", json={"text": "I was changed."})
    assert mem0.stored(new)["text"] == "I was changed."
    assert len(mem0("GET", f"/v1/memories/{old}/history/")) == 2
    mem0("DELETE", f"/v1/memories/{old}/")
    mem0("GET", f"/v1/memories/{old}/", 404)


def test_entities_are_those_who_have_memories(mem0: Client) -> None:
    for ids in ({"user_id": "ana"}, {"user_id": "b/en"}, {"user_id": None, "agent_id": "bot"}):
        mem0.add("I like the hills.", **ids)
    found = mem0("GET", "/v1/entities/")
    assert found["count"] == 3
    assert {(e["type"], e["name"], e["total_memories"]) for e in found["results"]} == {
        ("user", "ana", 1),
        ("user", "b/en", 1),
        ("agent", "bot", 1),
    }
    page = mem0("GET", "/v1/entities/", params={"page": 2, "page_size": 2})
    assert (len(page["results"]), page["next"]) == (1, None)
    sample = mem0("POST", "/v2/profiles/jobs/", json={"operation": "sample", "entity_type": "user", "limit": 1})
    assert (sample["sampled"], sample["entity_ids"]) == (1, ["ana"])
    mem0("DELETE", "/v2/entities/user/b%2Fen/")
    mem0("DELETE", "/v1/entities/agent/bot")
    assert [e["name"] for e in mem0("GET", "/v1/entities/")["results"]] == ["ana"]
    assert mem0.listed({"user_id": "b/en"}) == []
    assert mem0.listed() == ["I like the hills."]
    mem0("DELETE", "/v2/entities/user/nobody/", 404)
    for wrong in ("/v2/entities/user/*/", "/v2/entities/team/ana/"):
        mem0("DELETE", wrong, 400)
    mem0("DELETE", "/v2/entities/user/ana/", 400, params={"only": "old"})


def test_events_are_listed_the_newest_first(mem0: Client) -> None:
    id = mem0.id_of("I live in Lyon.")
    mem0("PUT", f"/v1/memories/{id}/", json={"text": "I live in Nice."})
    mem0("DELETE", f"/v1/memories/{id}/")
    found = mem0("GET", "/v1/events/", params={"page_size": 3})["results"]
    assert [(e["event_type"], e["status"]) for e in found] == [
        ("DELETE", "SUCCEEDED"),
        ("UPDATE", "SUCCEEDED"),
        ("ADD", "SUCCEEDED"),
    ]
    assert found[1]["results"][0]["data"]["memory"] == "I live in Nice."
    assert mem0("GET", f"/v1/event/{found[1]['id']}/")["event_type"] == "UPDATE"


def test_a_job_that_failed_is_told() -> None:
    with serving(chat_model=ScriptedChatModel(["no json", "none either"])) as server, Client(server) as mem0:
        said = mem0.add("I moved to Porto.")
        mem0.native.post("/api/v1/flush", json={"timeout": 20, **ANA})
        event = mem0("GET", f"/v1/event/{said['event_id']}/")
        assert (event["status"], event["results"]) == ("FAILED", [])
        assert mem0.listed() == ["I moved to Porto."]


def test_nothing_made_of_the_words_is_a_success() -> None:
    with serving(chat_model=ScriptedChatModel([reply()])) as server, Client(server) as mem0:
        said = mem0.add("I moved to Porto.")
        mem0.native.post("/api/v1/flush", json={"timeout": 20, **ANA})
        event = mem0("GET", f"/v1/event/{said['event_id']}/")
        assert (event["status"], event["results"]) == ("SUCCEEDED", [])


def test_webhooks_are_those_of_the_tenant() -> None:
    with serving(webhooks_to_private_hosts=True) as server, Client(server) as mem0:
        body = {"url": "http://127.0.0.1:9/hook", "name": "mine", "event_types": ["memory_add"]}
        made = mem0("POST", "/api/v1/webhooks/projects/default/", json=body)
        assert made["secret"]
        assert "event_types" in made["warnings"][0]
        path = f"/api/v1/webhooks/{made['webhook_id']}/"
        changed = mem0("PUT", path, json={"name": "yours"})
        assert (changed["name"], changed["url"]) == ("yours", body["url"])
        listed = mem0("GET", "/api/v1/webhooks/projects/default/")
        assert [w["name"] for w in listed] == ["yours"]
        assert "secret" not in listed[0]
        kept = server.run(server.service.control.webhooks(""))
        assert [(w.name, w.kinds) for w in kept] == [("yours", ("changes",))]
        mem0("DELETE", path)
        assert server.run(server.service.control.webhooks("")) == []
        mem0("DELETE", path, 404)
        mem0("PUT", path, 404, json={"name": "x"})
        mem0("GET", "/api/v1/webhooks/projects/other/", 404)
        mem0("POST", "/api/v1/webhooks/projects/default/", 400, json={"name": "x"})
        mem0("POST", "/api/v1/webhooks/projects/default/", 400, json={**body, "event_types": ["x"]})
