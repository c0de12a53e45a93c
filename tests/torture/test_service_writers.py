"""Many clients change the same user's memories over HTTP: what was acknowledged is there, and the history adds up."""

import asyncio
import os
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.server.process import started

CLIENTS = 64
SECONDS = float(os.environ.get("KEEPSTONE_WRITER_SECONDS", "60"))
SEED = int(os.environ.get("KEEPSTONE_TORTURE_SEED", "20260618"))
USER = {"user_id": "alice"}
# Everybody works on few memories, so that they meet.
HOT = 24
SUBJECTS = ("the river", "蓝色的茶壶", "a bicycle", "下周的考试", "Lyon in winter")
ANSWERS = {"add": {201}, "update": {200, 404, 409}, "delete": {200, 404, 409}, "undo": {200, 404, 409}}


@dataclass(frozen=True, kw_only=True)
class Update:
    """An acknowledged update, and when it was asked for and answered."""

    id: str
    text: str
    asked: float
    answered: float


@dataclass
class Account:
    """What was acknowledged, and what was refused."""

    texts: dict[str, str] = field(default_factory=dict)
    updates: list[Update] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    changes: dict[str, str] = field(default_factory=dict)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    hot: list[str] = field(default_factory=list)


class Caller:
    """One client, with a key of its own and words of its own."""

    def __init__(self, http: httpx2.AsyncClient, name: int, account: Account) -> None:
        self.http, self.name, self.account = http, name, account
        self.chance = random.Random(SEED + name)
        self.count = 0
        self.clock = asyncio.get_running_loop().time

    async def run(self, until: float) -> None:
        works = (self.add, self.update, self.delete, self.undo)
        while self.clock() < until:
            await self.chance.choices(works, (20, 50, 15, 15))[0]()

    def words(self) -> str:
        self.count += 1
        return f"Client {self.name}, note {self.count}: {self.chance.choice(SUBJECTS)}."

    def some(self) -> str:
        """A memory that others work on, too."""
        return self.chance.choice(self.account.hot)

    async def ask(self, verb: str, method: str, path: str, **options: Any) -> tuple[int, Any]:
        answer = await self.http.request(method, path, **options)
        self.account.answers[verb, answer.status_code] += 1
        assert answer.status_code in ANSWERS[verb], f"{verb}: {answer.status_code} {answer.text}"
        return answer.status_code, answer.json()

    async def add(self) -> None:
        text = self.words()
        _, told = await self.ask("add", "POST", "/api/v1/memories", json={"messages": text, **USER})
        (made,) = told["memories"]
        self.account.texts[made["id"]] = text
        if self.account.hot:
            self.account.hot[self.chance.randrange(HOT)] = made["id"]

    async def update(self) -> None:
        id, text, asked = self.some(), self.words(), self.clock()
        status, told = await self.ask("update", "PATCH", f"/api/v1/memories/{id}", json={"text": text})
        if status != 200:
            self.account.refused.append((status, text))
            return
        assert told["text"] == text, "an update is answered with what it made, not with what came after it"
        self.account.updates.append(Update(id=id, text=text, asked=asked, answered=self.clock()))

    async def delete(self) -> None:
        status, told = await self.ask("delete", "DELETE", f"/api/v1/memories/{self.some()}")
        if status == 200:
            self.account.changes[told["id"]] = told["memory_id"]

    async def undo(self) -> None:
        """Take back a change that anybody made."""
        known = list(self.account.changes)[-HOT:]
        if not known:
            return
        status, told = await self.ask("undo", "POST", "/api/v1/undo", json={"id": self.chance.choice(known)})
        if status == 200:
            self.account.changes.update({c["id"]: c["memory_id"] for c in told["items"]})


async def write(url: str, secret: str, seconds: float) -> Account:
    """Let all clients write for some seconds, and return what they were told."""
    account = Account()
    limits = httpx2.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx2.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=60) as http:
        first = Caller(http, CLIENTS, account)
        for _ in range(HOT):
            await first.add()
        account.hot[:] = list(account.texts)
        until = first.clock() + seconds
        async with asyncio.TaskGroup() as group:
            for name in range(CLIENTS):
                group.create_task(Caller(http, name, account).run(until))
    return account


def listed(http: httpx2.Client) -> dict[str, str]:
    """Every visible memory of the user and its text."""
    found: dict[str, str] = {}
    cursor = None
    while True:
        query = {**USER, "limit": "1000"} | ({"cursor": cursor} if cursor else {})
        page = http.get("/api/v1/memories", params=query).json()
        found |= {m["id"]: m["text"] for m in page["items"]}
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def replayed(history: list[dict[str, Any]]) -> str | None:
    """The text that a history comes to, None for a memory that is taken back; each change fits onto the one before."""
    text, is_there, before = None, False, 0
    for change in history:
        assert change["sequence"] > before
        before = change["sequence"]
        action = change["action"]
        if action == "ADD":
            text, is_there = change["new_text"], True
        elif action == "UPDATE":
            assert is_there
            assert change["old_text"] == text
            text = change["new_text"]
        else:
            assert action == ("DELETE" if is_there else "RESTORE"), action
            is_there = not is_there
    return text if is_there else None


def check(http: httpx2.Client, account: Account) -> int:
    """Compare what was acknowledged with what is there; return how many changes there are."""
    changes, state, places = 0, dict[str, str | None](), dict[str, int]()
    for id, text in account.texts.items():
        history = http.get(f"/api/v1/memories/{id}/history").json()["items"]
        assert history[0]["new_text"] == text
        changes += len(history)
        state[id] = replayed(history)
        # What undo makes says again what was said, so that the first to say it counts.
        said = [c["new_text"] for c in history if c["action"] == "UPDATE" and c["inverse_of"] is None]
        assert len(set(said)) == len(said), "an update was made twice"
        places |= {words: place for place, words in enumerate(said)}
        known = {c["id"] for c in history}
        assert {c for c, memory in account.changes.items() if memory == id} <= known
    assert listed(http) == {id: text for id, text in state.items() if text is not None}
    for id in random.Random(SEED).sample(sorted(state), min(200, len(state))):
        found = http.get(f"/api/v1/memories/{id}")
        assert found.status_code == (404 if state[id] is None else 200)
        assert found.json().get("text") == state[id]
    check_updates(account, places)
    return changes


def check_updates(account: Account, places: dict[str, int]) -> None:
    """Each acknowledged update is in the history, in the order of answers; no refused one is."""
    assert not [u for u in account.updates if u.text not in places]
    assert not [refused for refused in account.refused if refused[1] in places]
    by_memory: dict[str, list[Update]] = {}
    for update in account.updates:
        by_memory.setdefault(update.id, []).append(update)
    for updates in by_memory.values():
        # Whoever was answered before another one asked comes before it.
        latest, ended = -1, sorted(updates, key=lambda u: u.answered)
        for update in sorted(updates, key=lambda u: u.asked):
            while ended and ended[0].answered < update.asked:
                latest = max(latest, places[ended.pop(0).text])
            assert places[update.text] > latest, "an update stands before one that was acknowledged before it"


def check_undo(http: httpx2.Client, account: Account) -> int:
    """Undo the last update of some memories, and return how many it were."""
    done = 0
    for id in listed(http):
        last = http.get(f"/api/v1/memories/{id}/history").json()["items"][-1]
        if last["action"] == "UPDATE":
            http.post("/api/v1/undo", json={"id": last["id"]}).raise_for_status()
            assert http.get(f"/api/v1/memories/{id}").json()["text"] == last["old_text"]
            done += 1
        if done == 20:
            break
    return done


def campaign(path: Path, seconds: float) -> Account:
    """Serve a store in a process of its own, write to it, and compare."""
    with started("serve", "--port", "0", KEEPSTONE_STORE=str(path), KEEPSTONE_REQUESTS_A_MINUTE="0") as server:
        assert server.secret is not None
        account = asyncio.run(write(server.url, server.secret, seconds))
        with server.client(server.secret) as http:
            changes = check(http, account)
            undone = check_undo(http, account)
        assert server.stop() == 0
    told = ", ".join(f"{verb} {status}: {n}" for (verb, status), n in sorted(account.answers.items()))
    print(
        f"{CLIENTS} clients, {seconds:g} s, seed {SEED}: {told}; {len(account.texts)} memories, {changes} changes, "
        f"{len(account.updates)} acknowledged updates, {undone} undone afterwards"
    )
    return account


def test_many_clients_of_one_user(tmp_path: Path) -> None:
    account = campaign(tmp_path / "memory.db", 3)
    assert len(account.updates) > CLIENTS


@pytest.mark.slow
def test_many_clients_of_one_user_for_long(tmp_path: Path) -> None:
    account = campaign(tmp_path / "memory.db", SECONDS)
    assert len(account.updates) > CLIENTS * SECONDS / 10
