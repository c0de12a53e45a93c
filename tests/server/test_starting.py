"""How a server starts and stops: the first key, where it may listen, signals, exit codes."""

import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from keepstone.errors import ConfigError
from keepstone.server.service import Service
from keepstone.server.settings import Settings
from keepstone.server.starting import STOPPED_AT_ONCE, address, check_reach, first_key, listen
from keepstone.testing import HashingEmbedder, InMemoryStore
from tests.cli.running import answer, process, run
from tests.server.process import started

SECRET = "ks_" + "b" * 40


def service(**settings: object) -> Service:
    return Service(Settings(**settings), store=InMemoryStore(), embedder=HashingEmbedder())  # type: ignore[arg-type]


async def test_the_first_key_is_made_once() -> None:
    one = service()
    secret = await first_key(one)
    assert secret is not None
    found = await one.keys.find(secret)
    assert found is not None
    assert (found.role, found.tenant) == ("admin", "")
    assert await first_key(one) is None


async def test_a_key_of_ones_own_takes_its_place() -> None:
    one = service(admin_key=SECRET)
    for _ in range(2):
        await check_reach(one)
    assert await first_key(one) is None
    assert (await one.keys.find(SECRET)) is not None
    assert len((await one.control.keys("")).items) == 1


async def test_beyond_this_machine_it_takes_a_key_and_tls() -> None:
    with pytest.raises(ConfigError, match="keepstone keys create"):
        await check_reach(service(host="0.0.0.0", tls_terminated=True))
    with pytest.raises(ConfigError, match="--tls-terminated"):
        await check_reach(service(host="0.0.0.0", admin_key=SECRET))
    await check_reach(service(host="0.0.0.0", admin_key=SECRET, tls_terminated=True))
    await check_reach(service(host="::1"))


def test_a_taken_port_is_said() -> None:
    with listen(Settings(port=0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port}"):
            listen(Settings(port=port))


def test_addresses_can_be_followed() -> None:
    assert address(Settings(), 1) == "http://127.0.0.1:1"
    assert address(Settings(host="0.0.0.0", tls_certificate=Path("x")), 2) == "https://localhost:2"
    assert address(Settings(host="::1"), 3) == "http://[::1]:3"


def test_it_serves_and_stops_in_order() -> None:
    with started("serve", "--port", "0", "--log-format", "json") as server:
        assert server.secret is not None
        with server.client(server.secret) as client:
            added = client.post("/api/v1/memories", json={"messages": "I keep bees.", "user_id": "alice"})
            assert added.status_code == 201
        assert server.stop(signal.SIGTERM) == 0
    assert not [line for line in server.errors if "Traceback" in line]
    with started("serve", "--port", "0") as again:
        assert again.secret is None
        with again.client(server.secret) as client:
            assert client.get("/api/v1/memories", params={"user_id": "alice"}).json()["items"]
        assert again.stop(signal.SIGINT) == 0


def test_a_second_signal_ends_it_at_once() -> None:
    with started("serve", "--port", "0", "--set", "drain_seconds=60") as server:
        assert server.secret is not None
        body = unfinished_body(server.running.pid)
        # A request that is not finished keeps the first signal waiting.
        with server.client(server.secret) as client, pytest.raises(httpx2.TransportError):
            client.post("/api/v1/search", content=body, headers={"Content-Type": "application/json"})
        assert server.running.wait(30) == STOPPED_AT_ONCE


def unfinished_body(pid: int) -> Iterator[bytes]:
    yield b'{"query": "bees", '
    for _ in range(2):
        os.kill(pid, signal.SIGTERM)
        time.sleep(0.5)
        yield b" "


def test_what_keeps_it_from_starting_is_one_line(tmp_path: Path) -> None:
    refused = process(["serve", "--host", "0.0.0.0", "--port", "0"])
    assert refused.returncode == 1
    assert refused.stdout == b""
    assert refused.stderr.decode().startswith("Error: 0.0.0.0 can be reached from other machines")
    assert refused.stderr.count(b"\n") == 1
    foreign = tmp_path / "foreign.db"
    foreign.write_bytes(b"not a store" * 100)
    broken = process(["serve", "--port", "0", "--store", str(foreign)])
    assert broken.returncode == 1
    assert b"not a Keepstone store" in broken.stderr
    worker = process(["worker"])
    assert worker.returncode == 1
    assert b"needs a chat model" in worker.stderr


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl to make a certificate with")
def test_it_speaks_tls_itself(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    making = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    naming = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key)]
    subprocess.run([*making, *naming, "-out", str(certificate)], check=True, capture_output=True, timeout=30)
    flags = ("--tls-certificate", str(certificate), "--tls-key", str(key))
    with started("serve", "--port", "0", *flags) as server:
        assert server.url.startswith("https://")
        trusting = ssl.create_default_context(cafile=str(certificate))
        assert httpx2.get(f"{server.url}/healthz", verify=trusting).json() == {"status": "ok"}
        assert server.stop() == 0
    assert b"There is no file" in process(["serve", "--tls-certificate", str(tmp_path / "none.pem")]).stderr
    assert b"no tls_certificate" in process(["serve", "--tls-key", str(key)]).stderr


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    for command in (["serve"], ["worker"], ["config", "show"]):
        refused = run(*command)
        assert refused.exit_code == 1
        assert "pip install 'keepstone[server]'" in refused.output
    (server,) = [c for c in answer("doctor", "--embedder", "none")["checks"] if c["name"] == "server"]
    assert (server["ok"], server["detail"]) == (True, "not installed: uvicorn missing")
    assert run("backup", "copy.db", "--store", "none.db").exit_code == 1
