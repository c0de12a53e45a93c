"""What tests need without a network: the laws that every store must keep, and real offline stand-ins.

`LAWS` and `check` hold a store to its contract, `CATALOGUE_LAWS` and `CONTROL_LAWS` one that serves a
server too. `FAULTS` shows that they can fail; `InMemoryStore`,
`HashingEmbedder`, `ScriptedChatModel` and `FakeClock` take the place of what a test should not wait for. `CHAT_FAULTS`
makes of a good reply of a chat model the ones that a test must survive, and `ChatServer` serves a script over HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keepstone.stores.inmemory import InMemoryStore
from keepstone.testing.chat_faults import CHAT_FAULTS, ChatFault
from keepstone.testing.chat_server import ChatServer
from keepstone.testing.conformance import CATALOGUE_LAWS, CONTROL_LAWS, LAWS, Law, MakeStore, check
from keepstone.testing.fakes import FakeClock, ScriptedChatModel
from keepstone.testing.faults import FAULTS

if TYPE_CHECKING:
    from keepstone.embedders.hashing import HashingEmbedder

__all__ = [
    "CATALOGUE_LAWS",
    "CHAT_FAULTS",
    "CONTROL_LAWS",
    "ChatFault",
    "ChatServer",
    "FAULTS",
    "FakeClock",
    "HashingEmbedder",
    "InMemoryStore",
    "LAWS",
    "Law",
    "MakeStore",
    "ScriptedChatModel",
    "check",
]


def __getattr__(name: str) -> Any:
    if name != "HashingEmbedder":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from keepstone.embedders.hashing import HashingEmbedder

    return HashingEmbedder
