"""Clients of a Keepstone server: the verbs, results and errors of the library, over HTTP.

    from keepstone.client import Client

    memory = Client("http://localhost:8765", api_key="ks_…")
    memory.add("I play cricket at weekends", user_id="alice")

Importing this package opens nothing.
"""

from keepstone.client.asynchronous import AsyncClient
from keepstone.client.blocking import Client
from keepstone.client.values import Events, Hook, Imported, Key, ToldEvent

__all__ = ["AsyncClient", "Client", "Events", "Hook", "Imported", "Key", "ToldEvent"]
