"""A browser without a screen: logged in over HTTP, with the token that forms bring along."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2

from tests.server.serving import Serving

TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@dataclass
class Session:
    """Somebody who is logged in."""

    client: httpx2.Client
    token: str

    def get(self, path: str) -> httpx2.Response:
        return self.client.get(path)

    def send(self, path: str, **fields: str) -> httpx2.Response:
        """Send a form as a page of this session does."""
        return self.client.post(path, data={"csrf_token": self.token, **fields})


@contextmanager
def logged_in(server: Serving, secret: str | None = None) -> Iterator[Session]:
    with server.client("") as client:
        entered = client.post("/ui/login", data={"key": server.secret if secret is None else secret})
        assert entered.status_code == 303
        found = TOKEN.search(client.get("/ui/running").text)
        assert found is not None
        yield Session(client, found[1])
