"""Every command of these tests works on an empty store of its own, with an embedder that loads in no time."""

import pytest


@pytest.fixture(autouse=True)
def quick_embedder(isolated_home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPSTONE_EMBEDDER", "hashing")
