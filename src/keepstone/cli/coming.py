"""`keepstone import` for what comes over from Mem0: the files of its default store, or a server with its REST API."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from keepstone import AsyncMemory
from keepstone.cli.running import ScopeIds
from keepstone.config import environment
from keepstone.errors import ConfigError, InvalidRequestError

if TYPE_CHECKING:
    from keepstone.transfer import ImportReport

FILES, SERVER = "mem0", "mem0-api"
KEY_VARIABLE = "MEM0_API_KEY"


async def bring(
    memory: AsyncMemory,
    format: str,
    path: str | None,
    server: str | None,
    history: Path | None,
    whose: ScopeIds,
    progress: Callable[[int, int], None] | None,
) -> ImportReport:
    """Keep the memories of Mem0's folder *path* (for the format mem0), or of *server* (for mem0-api).

    Raises:
        InvalidRequestError: the options do not go together, or what is there cannot be understood.
        ConfigError: there is no key for the server.
    """
    from keepstone.transfer import import_mem0, read_folder, read_server

    if format == FILES:
        if path is None or server is not None:
            raise InvalidRequestError("--format mem0 reads a folder: keepstone import --format mem0 FOLDER.")
        found = read_folder(path, history)
    else:
        if path is not None or server is None or history is not None:
            raise InvalidRequestError("--format mem0-api asks a server: keepstone import --format mem0-api --from URL.")
        key = environment(KEY_VARIABLE)
        if not key:
            raise ConfigError(f"Put the key of that server into {KEY_VARIABLE}.")
        found = await read_server(server, key)
    return await import_mem0(memory, found, format=format, progress=progress, **whose)
