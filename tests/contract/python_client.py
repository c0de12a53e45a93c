"""Mem0's Python client, unchanged but for its host, does what its users do. Run by mem0_clients.py."""

import asyncio
import os
from collections.abc import Callable
from typing import Any

from mem0 import AsyncMemoryClient, MemoryClient
from mem0.exceptions import AuthenticationError, MemoryNotFoundError, ValidationError

HOST, KEY = os.environ["CONTRACT_HOST"], os.environ["CONTRACT_KEY"]
ANA = {"user_id": "ana"}


def texts(answer: Any) -> list[str]:
    return [r["memory"] for r in answer["results"]]


def refused(kind: type[Exception] | tuple[type[Exception], ...], call: Callable[[], object]) -> str:
    try:
        call()
    except kind as error:
        return str(error)
    raise AssertionError(f"{call} was not refused")


def memories(client: Any) -> str:
    said = [{"role": "user", "content": "I bake rye bread."}, {"role": "assistant", "content": "With which flour?"}]
    added = client.add(said, user_id="ana", metadata={"topic": "bread"}, expiration_date="2999-01-01")
    assert client.client.get(f"/v1/event/{added['event_id']}/").json()["status"] == "SUCCEEDED"
    for number in range(4):
        client.add(f"Loaf number {number} was fine.", user_id="ana", run_id="r1")
    found = client.search("rye bread", filters=ANA, top_k=3)
    assert texts(found)[0] == "I bake rye bread."
    id = found["results"][0]["id"]
    assert client.get(id)["metadata"] == {"topic": "bread"}
    client.update(id, text="I bake oat bread.", metadata={"grain": "oat"})
    assert client.get(id)["metadata"] == {"topic": "bread", "grain": "oat"}
    client.update(id, expiration_date=None)
    assert client.get(id)["expiration_date"] is None
    assert [r["event"] for r in client.history(id)] == ["ADD", "UPDATE", "UPDATE"]
    assert client.feedback(id, "POSITIVE", "right")["feedback"] == "POSITIVE"
    page = client.get_all(filters=ANA, page=2, page_size=4)
    assert (page["count"], len(page["results"]), page["next"]) == (6, 2, None)
    assert texts(client.get_all(filters={"AND": [ANA, {"run_id": "r1"}]}))[0] == "Loaf number 0 was fine."
    assert texts(client.get_all(filters={"user_id": "ben"})) == []
    return str(id)


def batches(client: Any) -> None:
    loaves = client.get_all(filters={"AND": [ANA, {"run_id": "r1"}]})["results"]
    client.batch_update([{"memory_id": r["id"], "text": r["memory"].replace("fine", "stale")} for r in loaves])
    assert "stale" in client.get(loaves[0]["id"])["memory"]
    client.batch_delete([{"memory_id": r["id"]} for r in loaves[:2]])
    assert len(client.get_all(filters=ANA)["results"]) == 4


def others(client: Any) -> None:
    asked = client.create_memory_export("{}", filters=ANA)
    assert len(client.get_memory_export(memory_export_id=asked["id"])["memories"]) == 4
    client.add("My name is Ana and I live in Porto.", user_id="ana")
    assert "Porto" in client.get_summary(filters=ANA)["summary"]
    assert client.get_profile("ana")["status"] == "succeeded"
    assert client.get_profile_job(client.generate_profile("ana")["status_url"])["job"]["status"] == "succeeded"
    assert client.get_profile_settings()["enabled"] is True
    assert client.get_project(fields=["multilingual"]) == {"multilingual": True}
    assert client.project.get()["id"] == "default"
    hook = client.create_webhook("http://127.0.0.1:9/x", "mine", "default", ["memory_add"])
    client.update_webhook(hook["webhook_id"], name="yours")
    assert [w["name"] for w in client.get_webhooks("default")] == ["yours"]
    client.delete_webhook(hook["webhook_id"])
    assert client.client.get("/v1/events/").json()["results"]


def errors(client: Any) -> None:
    refused(MemoryNotFoundError, lambda: client.get("00000000-0000-4000-8000-000000000000"))
    assert "Say whose memory" in refused(ValidationError, lambda: client.search("x", filters={"topic": "bread"}))
    # Mem0's client puts what its constructor meets into a ValueError.
    assert "key" in refused((ValueError, AuthenticationError), lambda: MemoryClient(api_key="ks_no", host=HOST))


def deletions(client: Any, id: str) -> None:
    client.delete(id)
    refused(MemoryNotFoundError, lambda: client.get(id))
    assert [(e["type"], e["name"]) for e in client.users()["results"]] == [("user", "ana")]
    client.delete_all(user_id="ana")
    assert texts(client.get_all(filters=ANA)) == []
    client.add("I am back.", user_id="ana")
    client.add("I am an agent.", agent_id="bot")
    client.delete_users(agent_id="bot")
    assert [e["name"] for e in client.users()["results"]] == ["ana"]
    client.reset()
    assert client.users()["count"] == 0


async def without_blocking() -> None:
    async with AsyncMemoryClient(api_key=KEY, host=HOST) as client:
        await client.add("我喜欢徒步。", user_id="mei")
        found = await client.search("徒步", filters={"user_id": "mei"})
        assert texts(found) == ["我喜欢徒步。"]
        await client.delete(found["results"][0]["id"])
        assert texts(await client.get_all(filters={"user_id": "mei"})) == []


def main() -> None:
    client = MemoryClient(api_key=KEY, host=HOST)
    id = memories(client)
    batches(client)
    others(client)
    errors(client)
    deletions(client, id)
    asyncio.run(without_blocking())
    print("done")


main()
