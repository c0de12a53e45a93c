"""What `keepstone doctor` says of chat models."""

from typing import Any

import pytest

from keepstone.testing import ChatServer
from tests.cli.running import answer, run


def test_doctor_says_what_a_chat_model_would_add_and_which_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def line() -> Any:
        (found,) = [c for c in answer("doctor")["checks"] if c["name"] == "chat model"]
        return found

    assert "word for word" in line()["detail"]
    assert line()["advice"] == ""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-outside")
    assert "would use openai:gpt-5-mini" in line()["advice"]
    monkeypatch.setenv("KEEPSTONE_CHAT_MODEL", "auto")
    assert line()["detail"] == "openai:gpt-5-mini, from KEEPSTONE_CHAT_MODEL"
    monkeypatch.setenv("KEEPSTONE_CHAT_MODEL", "nobody:model")
    wrong = run("doctor")
    assert wrong.exit_code == 1
    assert "Unknown chat model" in wrong.stdout


def test_doctor_asks_the_chat_model_only_when_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    with ChatServer(["yes"]) as server:
        monkeypatch.setenv("VLLM_BASE_URL", server.url)
        told = ("doctor", "--chat-model", "vllm:small")
        assert "vllm:small, from --chat-model" in run(*told).stdout
        assert server.requests == []
        online = run(*told, "--online")
        assert online.exit_code == 0
        assert "answered in" in online.stdout
        assert "at no known price" in " ".join(online.stdout.split())
        assert len(server.requests) == 1


def test_doctor_says_when_the_chat_model_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with ChatServer(api_key="sk-right") as server:
        monkeypatch.setenv("VLLM_BASE_URL", server.url)
        refused = run("doctor", "--chat-model", "vllm:small", "--online")
    assert refused.exit_code == 1
    assert "the key was refused" in refused.stdout
