"""Webhooks: signed, tried again, visible, and never a way into private networks."""

import _socket
import asyncio
import base64
import hashlib
import hmac
import ipaddress
import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.control import Delivery, Event
from keepstone.errors import InvalidRequestError
from keepstone.server import webhooks
from keepstone.server.addresses import RefusedAddressError, check_url, is_public, resolve
from keepstone.server.webhooks import RETRIES, Outcome, Sender, settle, sign
from keepstone.types import Scope
from tests.server.serving import Serving, serving

API = "/api/v1"


class Receiver:
    """A server on this machine that takes what it is sent, and answers what it is told to."""

    def __init__(self) -> None:
        self.requests: Queue[tuple[str, dict[str, str], bytes]] = Queue()
        self.statuses: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.put((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                status = receiver.statuses.pop(0) if receiver.statuses else 204
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def next(self) -> tuple[str, dict[str, str], dict[str, Any]]:
        path, headers, body = self.requests.get(timeout=20)
        return path, headers, {**json.loads(body), "raw": body}

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(20)
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[Serving]:
    with serving(webhooks_to_private_hosts=True) as found:
        yield found


def hook(server: Serving, receiver: Receiver, **more: Any) -> dict[str, Any]:
    with server.client() as client:
        body = {"url": f"http://localhost:{receiver.port}/hook?x=1", **more}
        made: dict[str, Any] = client.post(f"{API}/webhooks", json=body).json()
        return made


def add(server: Serving, text: str, user: str) -> dict[str, Any]:
    with server.client() as client:
        found: dict[str, Any] = client.post(f"{API}/memories", json={"messages": text, "user_id": user}).json()
        return found


def deliveries(server: Serving, id: str, state: str) -> list[dict[str, Any]]:
    """The deliveries of a webhook once the newest one is in a state."""
    with server.client() as client:
        for _ in range(400):
            found: list[dict[str, Any]] = client.get(f"{API}/webhooks/{id}/deliveries").json()["items"]
            if found and found[0]["state"] == state and found[0]["attempts"]:
                return found
            threading.Event().wait(0.05)
    raise AssertionError(f"no delivery became {state}: {found}")


def test_an_event_arrives_signed_and_without_words(shared: Serving, receiver: Receiver) -> None:
    made = hook(shared, receiver, user_id="ann")
    add(shared, "I keep canaries.", "somebody")
    added = add(shared, "I keep hens.", "ann")
    path, headers, body = receiver.next()
    assert path == "/hook?x=1"
    assert headers["host"] == f"localhost:{receiver.port}"
    key = base64.b64decode(made["secret"].removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body["raw"]
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert body["type"] == "changes"
    assert body["data"]["batch_id"] == added["batch_id"]
    assert body["data"]["scope"]["user_id"] == "ann"
    assert [c["memory_id"] for c in body["data"]["changes"]] == [m["id"] for m in added["memories"]]
    assert b"hens" not in body["raw"]
    found = deliveries(shared, made["id"], "sent")
    assert [(d["status"], d["attempts"], d["id"]) for d in found] == [(204, 1, headers["webhook-id"])]


def test_only_the_kinds_that_are_wanted_are_sent(shared: Serving, receiver: Receiver) -> None:
    made = hook(shared, receiver, user_id="bea", kinds=["erased"])
    add(shared, "I collect stamps.", "bea")
    with shared.client() as client:
        client.post(f"{API}/erase", json={"user_id": "bea"})
    assert receiver.next()[2]["type"] == "erased"
    assert len(deliveries(shared, made["id"], "sent")) == 1


def test_a_failed_delivery_waits_and_is_tried_again_alike(
    shared: Serving, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "RETRIES", (timedelta(seconds=1),))
    receiver.statuses = [500]
    made = hook(shared, receiver, user_id="cleo")
    add(shared, "I run.", "cleo")
    first = receiver.next()
    waiting = deliveries(shared, made["id"], "waiting")[0]
    assert (waiting["status"], waiting["error"]) == (500, "answered 500")
    assert waiting["due_at"] is not None
    # What waits for its time is not redelivered; what is dead is.
    with shared.client() as client:
        again = client.post(f"{API}/webhooks/{made['id']}/deliveries/{waiting['id']}/redeliver")
        assert again.status_code == 404
    second = receiver.next()
    assert second[1]["webhook-id"] == first[1]["webhook-id"]
    assert second[2]["raw"] == first[2]["raw"]
    assert deliveries(shared, made["id"], "sent")[0]["attempts"] == 2


def test_gone_is_dead_and_dead_can_be_redelivered(shared: Serving, receiver: Receiver) -> None:
    receiver.statuses = [410]
    made = hook(shared, receiver, user_id="dora")
    add(shared, "I ski.", "dora")
    receiver.next()
    dead = deliveries(shared, made["id"], "dead")[0]
    with shared.client() as client:
        path = f"{API}/webhooks/{made['id']}/deliveries/{dead['id']}/redeliver"
        assert client.post(path).status_code == 202
        receiver.next()
        assert deliveries(shared, made["id"], "sent")[0]["id"] == dead["id"]
        assert client.post(f"{API}/webhooks/{made['id']}/deliveries/nobody/redeliver").status_code == 404


def test_redirects_are_not_followed(shared: Serving, receiver: Receiver) -> None:
    receiver.statuses = [307]
    made = hook(shared, receiver, user_id="erin")
    add(shared, "I swim.", "erin")
    receiver.next()
    assert deliveries(shared, made["id"], "waiting")[0]["status"] == 307
    with shared.client() as client:
        client.delete(f"{API}/webhooks/{made['id']}")
    with pytest.raises(Empty):
        receiver.requests.get(timeout=0.3)


def test_a_webhook_can_be_tried_changed_and_removed(shared: Serving, receiver: Receiver) -> None:
    made = hook(shared, receiver, user_id="fay", name="first")
    path = f"{API}/webhooks/{made['id']}"
    with shared.client() as client:
        assert client.post(f"{path}/test").json() == {"is_success": True, "status": 204, "error": None}
        assert receiver.next()[2]["type"] == "test"
        listed = client.get(f"{API}/webhooks")
        assert made["secret"] not in listed.text
        body = {"url": made["url"], "user_id": "fay", "is_active": False}
        changed = client.put(path, json=body).json()
        assert (changed["is_active"], changed["secret"], changed["created_at"]) == (False, None, made["created_at"])
        add(shared, "I knit.", "fay")
        own = "whsec_" + base64.b64encode(b"0" * 32).decode()
        assert client.put(path, json={**body, "secret": own}).json()["secret"] == own
        assert client.put(path, json={**body, "secret": "whsec_short"}).status_code == 400
        assert client.get(f"{path}/deliveries").json()["items"] == []
        assert client.delete(path).status_code == 204
        assert client.delete(path).status_code == 404
        assert client.put(path, json=body).status_code == 404


def test_what_cannot_be_reached_is_said() -> None:
    with serving(webhooks_to_private_hosts=True) as server, server.client() as client:
        made = client.post(f"{API}/webhooks", json={"url": "http://localhost:1/"}).json()
        tried = client.post(f"{API}/webhooks/{made['id']}/test").json()
        assert (tried["is_success"], tried["status"], tried["error"]) == (False, None, "ConnectError")


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/",
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://0.0.0.0/",
        "http://127.0.0.1./",
    ],
)
async def test_this_machine_is_not_reached_by_any_spelling(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Numbers are read, and not looked up anywhere, in whatever form they are.
    monkeypatch.setattr(socket, "getaddrinfo", _socket.getaddrinfo)
    outcome = await Sender(to_private_hosts=False).post(url, {}, b"{}")
    assert outcome.status is None
    assert outcome.error is not None
    assert "private" in outcome.error or "no address" in outcome.error


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "//example.com/",
        "https://",
        "https://user:secret@example.com/",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://example.com/\n",
        "http://169.254.169.254/latest/meta-data",
        "http://10.1.2.3/",
        "http://[fd00::1]/",
        "https://例子.中国/",
    ],
)
def test_what_is_no_place_for_a_webhook_is_refused(server: Serving, url: str) -> None:
    with server.client() as client:
        assert client.post(f"{API}/webhooks", json={"url": url}).status_code in (400, 422)
    with pytest.raises(InvalidRequestError):
        check_url(url, to_private_hosts=False)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "192.0.2.1", "198.18.0.1", "192.88.99.1", "240.0.0.1", "::1", "::", "::ffff:8.8.8.8",
        "::8.8.8.8", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "2002:7f00:1::1", "64:ff9b::7f00:1",
        "64:ff9b:1::1", "2001::1", "2001:db8::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_of_the_internet(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111"])
def test_addresses_of_the_internet(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


async def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def both(host: str, port: int, **options: object) -> list[tuple[object, ...]]:
        return [(2, 1, 6, "", (a, port)) for a in ("8.8.8.8", "127.0.0.1")]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", both, raising=False)
    with pytest.raises(RefusedAddressError):
        await resolve("rebinding.example", 80, to_private_hosts=False)
    assert await resolve("rebinding.example", 80, to_private_hosts=True) == "8.8.8.8"


@given(st.integers(0, 2**32 - 1))
def test_what_leads_to_a_private_address_by_a_detour_is_as_private(number: int) -> None:
    address = ipaddress.IPv4Address(number)
    detours = (f"::ffff:{address}", f"64:ff9b::{address}", f"::{address}")
    assert not any(is_public(ipaddress.ip_address(d)) for d in detours)
    if not address.is_global:
        assert not is_public(address)


@given(st.integers(1, 20), st.integers(100, 599) | st.none())
def test_attempts_come_to_an_end(attempts: int, status: int | None) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    event = Event(sequence=1, kind="changes", scope=Scope(), at=now)
    delivery = Delivery(
        id="d", webhook_id="w", event=event, state="waiting", attempts=attempts, due_at=now, updated_at=now
    )
    settled = settle(delivery, Outcome(status=status, error=None if status else "no"), now)
    if status is not None and 200 <= status < 300:
        assert (settled.state, settled.due_at) == ("sent", None)
    elif attempts > len(RETRIES) or status == webhooks.GONE:
        assert (settled.state, settled.due_at) == ("dead", None)
    else:
        wait = RETRIES[attempts - 1]
        assert settled.due_at is not None
        assert wait <= settled.due_at - now <= wait * 1.1
    assert sum(RETRIES, timedelta()) < timedelta(days=4)


def test_the_signature_is_the_one_that_the_standard_shows() -> None:
    # The example of the specification, section "Verifying".
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    signature = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
