"""The tools of the default profile, called by the SDK's own client over real HTTP: what they do in the store."""

import json

import pytest

from keepstone.control import Tenant
from keepstone.server.access import Principal
from keepstone.server.mcp.profiles import TOOLS
from tests.server.connecting import connected, did, names, refused, text_of
from tests.server.serving import Serving


@pytest.mark.parametrize(("mode", "version"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
async def test_both_ways_of_negotiating_work(server: Serving, mode: str, version: str) -> None:
    async with connected(server, mode=mode) as client:
        assert client.protocol_version == version
        assert "never as instructions" in (client.instructions or "")
        added = await did(client, "add_memory", text="I am allergic to peanuts.", user_id="alice")
        found = await did(client, "search_memories", query="allergic peanuts", user_id="alice")
        assert found["results"][0]["id"] == added["results"][0]["id"]


async def test_what_a_tool_writes_the_library_and_rest_see(server: Serving) -> None:
    async with connected(server) as client:
        added = await did(client, "add_memory", text="周末喜欢打板球", user_id="alice", metadata={"来源": "聊天"})
        id = added["results"][0]["id"]
        with server.client() as http:
            there = http.get(f"/api/v1/memories/{id}").json()
            history = http.get(f"/api/v1/memories/{id}/history").json()["items"]
        assert (there["text"], there["metadata"]) == ("周末喜欢打板球", {"来源": "聊天"})
        assert history[0]["actor"] == "key:test admin"
        told = await client.call_tool("get_memory", {"memory_id": id})
        assert "周末喜欢打板球" in text_of(told), "Chinese is readable in the text, too"
        assert json.loads(text_of(told)) == told.structured_content


async def test_a_conversation_is_kept_message_by_message(server: Serving) -> None:
    spoken = [
        {"role": "user", "content": "My sister Ines lives in Porto."},
        {"role": "assistant", "content": "Lovely."},
    ]
    async with connected(server) as client:
        added = await did(client, "add_memory", messages=spoken, user_id="alice", agent_id="helper", infer=False)
        assert [m["role"] for m in added["results"]] == ["user", "assistant"]
        assert {m["agent_id"] for m in added["results"]} == {"helper"}
        assert (await refused(client, "add_memory", user_id="alice"))[0] == "invalid_request"
        assert (await refused(client, "add_memory", text="x", messages=spoken, user_id="a"))[0] == "invalid_request"


async def test_update_delete_and_history(server: Serving) -> None:
    async with connected(server) as client:
        id = (await did(client, "add_memory", text="I live in Lyon.", user_id="alice"))["results"][0]["id"]
        assert (await did(client, "update_memory", memory_id=id, text="I live in Paris."))["text"] == "I live in Paris."
        deleted = await did(client, "delete_memory", memory_id=id)
        assert deleted["memory_id"] == id
        assert (await refused(client, "get_memory", memory_id=id))[0] == "not_found"
        history = (await did(client, "get_history", memory_id=id))["results"]
        assert [c["action"] for c in history] == ["ADD", "UPDATE", "DELETE"]
        with server.client() as http:
            http.post("/api/v1/undo", json={"id": deleted["change_id"]})
        assert (await did(client, "get_memory", memory_id=id))["text"] == "I live in Paris."


async def test_delete_all_takes_one_user_and_no_other(server: Serving) -> None:
    async with connected(server) as client:
        for user in ("alice", "null", "bob"):
            await did(client, "add_memory", text=f"I am {user}.", user_id=user)
        assert (await did(client, "delete_all_memories", user_id="null"))["count"] == 1
        code, sentence = await refused(client, "delete_all_memories", user_id="alice", run="today")
        assert code == "invalid_request"
        assert "run" in sentence, "a narrowing that is not understood must not be left out"
        for user, count in (("alice", 1), ("null", 0), ("bob", 1)):
            assert len((await did(client, "get_memories", user_id=user))["results"]) == count


async def test_pages_are_complete_and_disjoint(server: Serving) -> None:
    async with connected(server) as client:
        for n in range(5):
            await did(client, "add_memory", text=f"Note number {n}.", user_id="alice", metadata={"n": n})
        seen, cursor = [], None
        while True:
            page = await did(client, "get_memories", user_id="alice", limit=2, cursor=cursor)
            seen += [m["metadata"]["n"] for m in page["results"]]
            cursor = page.get("next_cursor")
            if cursor is None:
                break
        assert seen == [0, 1, 2, 3, 4]
        narrowed = await did(client, "get_memories", user_id="alice", filters={"n": {"gte": 3}})
        assert [m["metadata"]["n"] for m in narrowed["results"]] == [3, 4]


async def test_context_is_plain_text_within_its_budget(server: Serving) -> None:
    async with connected(server) as client:
        for text in ("I am allergic to peanuts.", "I play cricket on Sundays.", "My car is red."):
            await did(client, "add_memory", text=text, user_id="alice")
        result = await client.call_tool(
            "get_context", {"query": "What must I not eat? peanuts", "user_id": "alice", "max_tokens": 40}
        )
        assert result.structured_content is not None
        assert "peanuts" in text_of(result)
        assert text_of(result) == result.structured_content["context"]
        assert result.structured_content["tokens"] <= 40
        assert result.structured_content["memory_ids"]


async def test_without_a_user_the_answer_says_what_to_give(server: Serving) -> None:
    async with connected(server) as client:
        for tool, arguments in (
            ("add_memory", {"text": "x"}),
            ("search_memories", {"query": "x"}),
            ("get_memories", {}),
            ("get_context", {"query": "x"}),
            ("delete_all_memories", {}),
        ):
            code, sentence = await refused(client, tool, **arguments)
            assert code == "scope"
            assert "user_id" in sentence


async def test_limits_are_told_not_cut(server: Serving) -> None:
    async with connected(server) as client:
        code, sentence = await refused(client, "add_memory", text="x" * 1_000_001, user_id="alice")
        assert (code, "1000000" in sentence) == ("limit", True)
        code, _ = await refused(client, "search_memories", query="x" * 32_001, user_id="alice")
        assert code == "limit"
        code, sentence = await refused(client, "search_memories", query="x", user_id="alice", limit=101)
        assert (code, "limit" in sentence) == ("invalid_request", True)


async def test_a_wrong_argument_is_named_without_its_value(server: Serving) -> None:
    async with connected(server) as client:
        code, sentence = await refused(client, "search_memories", query="x", user_id="alice", limit="hunter2")
        assert code == "invalid_request"
        assert "limit" in sentence
        assert "hunter2" not in sentence


@pytest.mark.parametrize("role", ["read", "write", "admin"])
async def test_a_key_is_shown_and_may_call_what_the_table_says(server: Serving, role: str) -> None:
    with server.client() as http:
        added = http.post("/api/v1/memories", json={"messages": "I like tea.", "user_id": "alice"}).json()
    arguments = {
        "memory_id": added["memories"][0]["id"],
        "event_id": added["batch_id"],
        "memory_ids": [],
        "id": added["memories"][0]["id"],
        "user_id": "alice",
        "query": "tea",
        "text": "I like green tea.",
    }
    key, secret = server.made_key(role)
    for profile, tools in TOOLS.items():
        async with connected(server, secret, path=f"/mcp?profile={profile}") as client:
            allowed = {t.name for t in tools if Principal(key=key).may(t.operation)}
            assert await names(client) == allowed
            for tool in tools:
                fields = tool.arguments.model_fields
                if tool.name not in allowed:
                    given = {name: value for name, value in arguments.items() if name in fields}
                    assert (await refused(client, tool.name, **given))[0] == "forbidden"
    with server.client() as http:
        kept = http.get("/api/v1/memories", params={"user_id": "alice"}).json()["items"]
        assert [m["text"] for m in kept] == ["I like tea."]


async def test_annotations_and_schemas_tell_the_truth(server: Serving) -> None:
    for profile, tools in TOOLS.items():
        async with connected(server, path=f"/mcp?profile={profile}") as client:
            shown = {t.name: t for t in (await client.list_tools()).tools}
        assert set(shown) == {t.name for t in tools}
        for tool in shown.values():
            assert tool.description
            assert tool.output_schema
            assert tool.input_schema["additionalProperties"] is False
            hints = tool.annotations
            assert hints is not None
            assert hints.read_only_hint is (not tool.name.startswith(("add", "update", "delete")))
            assert hints.destructive_hint is tool.name.startswith(("update", "delete"))


async def test_a_pinned_key_needs_no_user_and_reaches_no_other(server: Serving) -> None:
    async with connected(server) as client:
        foreign = (await did(client, "add_memory", text="I like tea.", user_id="bob"))["results"][0]["id"]
    async with connected(server, server.key("write", user_id="alice")) as client:
        mine = (await did(client, "add_memory", text="I like tea, too."))["results"][0]
        assert mine["user_id"] == "alice"
        assert [m["id"] for m in (await did(client, "search_memories", query="tea"))["results"]] == [mine["id"]]
        for tool in ("get_memory", "delete_memory", "get_history"):
            assert (await refused(client, tool, memory_id=foreign))[0] == "not_found"
        assert (await refused(client, "update_memory", memory_id=foreign, text="x"))[0] == "not_found"
        code, sentence = await refused(client, "search_memories", query="tea", user_id="bob")
        assert (code, "leave it out" in sentence) == ("forbidden", True)
        assert (await refused(client, "delete_all_memories", user_id="bob"))[0] == "forbidden"
        # A filter can narrow, never widen.
        where = {"or": [{"user_id": "bob"}, {"user_id": {"ne": "bob"}}]}
        found = await did(client, "search_memories", query="tea", filters=where)
        assert {m["user_id"] for m in found["results"]} == {"alice"}


async def test_tenants_are_apart(server: Serving) -> None:
    other = Tenant(id="other", name="Other", created_at=server.service.clock())
    server.run(server.service.control.put_tenant(other))
    async with connected(server) as client:
        id = (await did(client, "add_memory", text="I like tea.", user_id="alice"))["results"][0]["id"]
    async with connected(server, server.key("admin", tenant="other")) as client:
        assert (await refused(client, "get_memory", memory_id=id))[0] == "not_found"
        assert (await did(client, "search_memories", query="tea", user_id="alice"))["results"] == []
        assert (await refused(client, "delete_memory", memory_id=id))[0] == "not_found"
    async with connected(server, server.key("admin", tenant="other"), path="/mcp?profile=mem0") as client:
        assert (await did(client, "list_entities"))["results"] == []
