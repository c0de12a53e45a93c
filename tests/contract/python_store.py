"""Mem0's library (2.x) writes its default store, with an embedder that needs no network. Run by mem0_clients.py."""

import sys
from pathlib import Path
from typing import Any

from mem0 import Memory
from mem0.embeddings.mock import MockEmbeddings

folder = Path(sys.argv[1])
config = {
    "vector_store": {
        "provider": "qdrant",
        "config": {"path": str(folder / "qdrant"), "embedding_model_dims": 10, "on_disk": True},
    },
    "history_db_path": str(folder / "history.db"),
    "llm": {"provider": "openai", "config": {"api_key": "none"}},
    "embedder": {"provider": "openai", "config": {"api_key": "none"}},
}


def main() -> None:
    memory: Any = Memory.from_config(config)
    memory.embedding_model = MockEmbeddings()
    for text, metadata in (("I live in Lyon.", {"topic": "home"}), ("我喜欢徒步。", None), ("I was deleted.", None)):
        memory.add([{"role": "user", "content": text}], user_id="ana", metadata=metadata, infer=False)
    rows = {r["memory"]: r["id"] for r in memory.get_all(filters={"user_id": "ana"})["results"]}
    memory.update(rows["I live in Lyon."], "I live in Nice.")
    memory.delete(rows["I was deleted."])
    memory.close()


main()
