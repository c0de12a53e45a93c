"""What every test gets: a home of its own, no provider keys, no network, and a Hypothesis profile."""

import ipaddress
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# CI repeats one fixed set of examples; a contributor's machine keeps looking for new ones.
settings.register_profile("default", max_examples=50, deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.register_profile(
    "campaign",
    max_examples=2_000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


class NetworkBlockedError(RuntimeError):
    """A test tried to leave this machine.

    Not an OSError, because code under test may translate those into errors of its own.
    """


@pytest.fixture(autouse=True)
def isolated_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point KEEPSTONE_HOME at an empty folder and hide the settings and keys of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith("KEEPSTONE_") or name.endswith(("_API_KEY", "_BASE_URL", "_MODEL")):
            monkeypatch.delenv(name)
    home = tmp_path / "keepstone-home"
    monkeypatch.setenv("KEEPSTONE_HOME", str(home))
    return home


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sockets reach this machine only, and names resolve only if they are this machine's."""

    def guard_connect(original: Callable[..., Any]) -> Callable[..., Any]:
        def connect(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                refuse_unless_loopback(address[0])
            return original(self, address)

        return connect

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        refuse_unless_loopback(host)
        return resolve(host, *args, **kwargs)

    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, guard_connect(getattr(socket.socket, name)))


def refuse_unless_loopback(host: object) -> None:
    """Raise NetworkBlockedError unless *host* names this machine."""
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if name is None or name in ("", "localhost"):
        return
    try:
        if ipaddress.ip_address(str(name)).is_loopback:
            return
    except ValueError:
        pass  # a host name, which would have to be looked up elsewhere
    raise NetworkBlockedError(f"a test tried to reach {name!r}")
