"""A scripted chat model that the command line asks over real HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from keepstone.testing import ChatServer, ScriptedChatModel
from keepstone.testing.fakes import Scripted

MODEL = "openai:scripted"


def change(op: str, text: str, **more: Any) -> dict[str, Any]:
    """Return a change as a model writes it."""
    usual = {
        "op": op, "target": None, "text": text, "kind": "fact", "section": "preferences", "sources": ["m1"],
        "when": None, "valid_from": None, "valid_to": None, "confidence": 0.9, "entities": [], "rests_on": [],
    }  # fmt: skip
    return {**usual, **more}


def changes(*of: dict[str, Any]) -> dict[str, Any]:
    """Return a reply with the changes *of*."""
    return {"changes": list(of)}


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, *replies: Scripted) -> Iterator[ScriptedChatModel]:
    """Serve *replies* where OPENAI_BASE_URL points, and let KEEPSTONE_CHAT_MODEL name the model."""
    with ChatServer(replies) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("KEEPSTONE_CHAT_MODEL", MODEL)
        yield server.model
