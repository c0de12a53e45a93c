"""The demo: its conversation, and that the tour shows what it promises."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from keepstone.demo import conversation, show
from keepstone.testing import ChatServer


def test_the_conversation_is_bilingual_and_dated() -> None:
    messages = [json.loads(line) for line in conversation()]
    assert len(messages) >= 40
    assert len({m["id"] for m in messages}) == len(messages)
    assert len({m["run_id"] for m in messages}) == 7
    assert [m["timestamp"] for m in messages] == sorted(m["timestamp"] for m in messages)
    chinese = [m for m in messages if any("\u4e00" <= c <= "\u9fff" for c in m["content"])]
    assert 0.3 < len(chinese) / len(messages) < 0.7


@pytest.mark.parametrize("embedder", ["hashing", pytest.param("local", marks=pytest.mark.slow)])
async def test_the_tour(embedder: str) -> None:
    out = io.StringIO()
    await show(Console(file=out, width=240), embedder=embedder)
    shown = out.getvalue()
    for part in ("43 messages kept", "妈妈的手术怎么样了？", "UPDATE", "Undone", "gone.", "found 0 times"):
        assert part in shown
    if embedder == "local":
        for answer in ("old harbour", "peanuts", "妈妈的手术很成功", "小学老师", "celadon"):
            assert answer in shown


async def test_a_store_that_is_named_is_kept_and_the_tour_can_be_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    for _ in range(2):
        out = io.StringIO()
        await show(Console(file=out, width=100), path=path, embedder="hashing")
        assert "Erased for good: 1 memory" in out.getvalue()
    assert path.exists()
    assert "were there already" in out.getvalue()


async def test_the_tour_asks_no_chat_model_whatever_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    with ChatServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("KEEPSTONE_CHAT_MODEL", "openai:scripted")
        await show(Console(file=io.StringIO(), width=100), embedder="hashing")
    assert server.requests == []
