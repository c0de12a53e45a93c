"""The interface of Mem0's open-source server: each route has its effect in the store."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from keepstone.testing import ScriptedChatModel
from tests.distillation.speaking import change, reply
from tests.server.serving import Serving, serving

ANA = {"user_id": "ana"}


class Client:
    """Requests as they are made to Mem0's server: a key in a header, paths without a slash at their end."""

    def __init__(self, server: Serving, secret: str | None = None) -> None:
        headers = {"X-API-Key": secret or server.secret}
        self._client = httpx2.Client(base_url=server.url + "/mem0-oss", headers=headers, timeout=30)

    def close(self) -> None:
        self._client.close()

    def __call__(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        answer = self._client.request(method, path, **options)
        assert answer.status_code == status, answer.text
        return answer.json()

    def id_of(self, text: str, **more: Any) -> str:
        return str(self("POST", "/memories", json={"messages": text, **ANA, **more})["results"][0]["id"])

    def listed(self, **params: Any) -> list[str]:
        return [r["memory"] for r in self("GET", "/memories", params=params or ANA)["results"]]


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    with serving() as found:
        yield found


@pytest.fixture
def oss(server: Serving) -> Iterator[Client]:
    server.run(server.service.memory_of("").reset(confirm=True))
    client = Client(server)
    yield client
    client.close()


def test_memories_are_added_found_changed_and_deleted(oss: Client) -> None:
    body = {"messages": [{"role": "user", "content": "我养了一只猫。"}], **ANA, "metadata": {"a": 1}}
    added = oss("POST", "/memories", json=body)["results"]
    assert [(r["memory"], r["event"]) for r in added] == [("我养了一只猫。", "ADD")]
    id = added[0]["id"]
    found = oss("POST", "/search", json={"query": "猫", "filters": ANA, "explain": True})["results"]
    assert (found[0]["id"], bool(found[0]["score_details"])) == (id, True)
    assert oss("PUT", f"/memories/{id}", json={"text": "我养了两只猫。", "metadata": {"b": 2}})["message"]
    now = oss("GET", f"/memories/{id}")
    assert (now["memory"], now["metadata"]) == ("我养了两只猫。", {"a": 1, "b": 2})
    assert [r["event"] for r in oss("GET", f"/memories/{id}/history")] == ["ADD", "UPDATE"]
    oss("DELETE", f"/memories/{id}")
    oss("GET", f"/memories/{id}", 404)
    assert oss.listed() == []


def test_lists_are_of_a_scope(oss: Client) -> None:
    oss.id_of("I like tea.")
    oss.id_of("I like rum.")
    oss.id_of("I like ale.", user_id="ben")
    assert oss.listed() == ["I like tea.", "I like rum."]
    assert oss.listed(**ANA, top_k=1) == ["I like tea."]
    oss("GET", "/memories", 400)
    oss("GET", "/memories", 400, params={"user_id": "*"})
    oss("POST", "/search", 400, json={"query": "tea", "filters": {"user_id": "*"}})
    assert "odd" in oss("GET", "/memories", params={**ANA, "odd": 1})["warnings"][0]
    oss("DELETE", "/memories", 400)
    oss("DELETE", "/memories", 400, params={**ANA, "topic": "tea"})
    assert oss("DELETE", "/memories", params=ANA)["deleted"] == 2
    assert oss.listed(user_id="ben") == ["I like ale."]


def test_adding_waits_for_the_chat_model() -> None:
    model = ScriptedChatModel([reply(change("add", "I moved to Porto."))])
    with serving(chat_model=model) as server:
        oss = Client(server)
        said = {"messages": "I moved to Porto.", **ANA, "prompt": "Keep places.", "memory_type": "procedural_memory"}
        rows = oss("POST", "/memories", json=said)["results"]
        assert [(r["event"], r["kind"]) for r in rows] == [("ADD", "fact"), ("ADD", "episode")]
        assert "Keep places." in str(model.calls[0])
        oss("POST", "/memories", 400, json={**said, "memory_type": "semantic"})
        oss.close()


def test_entities_and_reset(server: Serving, oss: Client) -> None:
    oss.id_of("I like tea.")
    assert [(e["type"], e["id"]) for e in oss("GET", "/entities")] == [("user", "ana")]
    oss("DELETE", "/entities/user/ana")
    assert oss.listed() == []
    oss.id_of("I like rum.")
    writer = Client(server, server.key("write"))
    writer("POST", "/reset", 403)
    writer.close()
    oss("POST", "/reset", 400, params=ANA)
    assert oss.listed() == ["I like rum."]
    oss("POST", "/reset")
    assert oss.listed() == []


def test_settings_are_shown_and_not_changed(oss: Client) -> None:
    shown = oss("GET", "/configure")
    assert shown["llm"]["config"]["model"] is None
    assert "nothing was changed" in oss("POST", "/configure", 400, json={"version": "v1.1"})["detail"]
    assert "openai" in oss("GET", "/configure/providers")["llms"]
    oss("POST", "/generate-instructions", 400, json={})


def test_keys_are_made_and_revoked(server: Serving, oss: Client) -> None:
    made = oss("POST", "/api-keys", 201, json={"label": "script"})
    script = Client(server, made["key"])
    script.id_of("I like tea.")
    script("POST", "/api-keys", 403, json={"label": "more"})
    script.close()
    shown = {k["id"]: k for k in oss("GET", "/api-keys")}
    assert (shown[made["id"]]["label"], "key" in shown[made["id"]]) == ("script", False)
    oss("DELETE", f"/api-keys/{made['id']}")
    again = Client(server, made["key"])
    again("GET", "/memories", 401, params=ANA)
    again.close()
    seen = oss("GET", "/requests")
    assert {"operation": "add", "surface": "mem0-oss", "status_code": 200}.items() <= {
        k: v for r in seen if r["operation"] == "add" for k, v in r.items()
    }.items()
    assert "tea" not in str(seen)
