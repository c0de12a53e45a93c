"""A client that speaks Mem0's hosted interface as Mem0's own clients were seen to."""

from typing import Any, Self

import httpx2

from tests.server.serving import Serving

ANA = {"user_id": "ana"}


class Client:
    """Requests as Mem0's clients make them: a token, a path with a slash at its end, JSON."""

    def __init__(self, server: Serving, secret: str | None = None) -> None:
        headers = {"Authorization": f"Token {secret or server.secret}"}
        self._client = httpx2.Client(base_url=server.url + "/mem0", headers=headers, timeout=30)
        self.native = server.client(secret)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self.native.close()

    def __call__(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        answer = self._client.request(method, path, **options)
        assert answer.status_code == status, answer.text
        self.headers = answer.headers
        return answer.json()

    def add(self, text: str, **more: Any) -> dict[str, Any]:
        body = {"messages": [{"role": "user", "content": text}], **ANA, **more}
        return dict(self("POST", "/v3/memories/add/", json=body))

    def id_of(self, text: str, **more: Any) -> str:
        return str(self.add(text, **more)["results"][0]["id"])

    def listed(self, filters: Any = None, **more: Any) -> list[str]:
        query = {k: more.pop(k) for k in ("page", "page_size") if k in more}
        found = self("POST", "/v3/memories/", json={"filters": filters or ANA, **more}, params=query)
        return [r["memory"] for r in found["results"]]

    def stored(self, id: str) -> dict[str, Any]:
        return dict(self.native.get(f"/api/v1/memories/{id}").json())
