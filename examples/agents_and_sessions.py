"""Two agents, two users, several sessions: what each query sees.

Run it with `python examples/agents_and_sessions.py`.
"""

import tempfile
from pathlib import Path
from typing import Any

from keepstone import Memory, ScopeError


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Memory(Path(folder) / "scopes.db") as memory:
        memory.add("I prefer window seats on trains.", user_id="alice", agent_id="travel", run_id="trip-1")
        memory.add("The trip to Vienna is in May.", user_id="alice", agent_id="travel", run_id="trip-2")
        memory.add("No coriander in my food, please.", user_id="alice", agent_id="cooking", run_id="dinner")
        memory.add("I want an aisle seat near the door.", user_id="bob", agent_id="travel", run_id="trip-9")
        memory.add("Trains to the south are often late: plan an hour.", agent_id="travel")

        def show(title: str, **scope: Any) -> list[str]:
            texts = [record.text for record in memory.get_all(**scope).items]
            print(f"{title}: {len(texts)}")
            for text in texts:
                print(f"    {text}")
            return texts

        assert len(show("All of Alice's", user_id="alice")) == 3
        assert len(show("Alice's with the travel agent", user_id="alice", agent_id="travel")) == 2
        assert len(show("One session of hers", user_id="alice", run_id="trip-1")) == 1
        assert len(show("The travel agent's, over all users", agent_id="travel")) == 4
        assert show("Bob's with the cooking agent", user_id="bob", agent_id="cooking") == []

        hits = memory.search("Which seat?", user_id="bob", agent_id="travel")
        assert [hit.text for hit in hits] == ["I want an aisle seat near the door."]

        # Ending a session takes back what it brought, in one batch that can be undone.
        assert memory.delete_all(user_id="alice", run_id="trip-2", reason="the trip was cancelled") == 1
        assert len(show("All of Alice's, without the trip", user_id="alice")) == 2

        try:
            memory.delete_all()
        except ScopeError as error:
            print(f"Refused: {error}")
        else:
            raise AssertionError("deleting without a scope must be refused")


if __name__ == "__main__":
    main()
