"""What a process runs with, as people may see it: secrets, and passwords inside addresses, are masked."""

from __future__ import annotations

from dataclasses import Field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from keepstone.server.settings import Settings
from keepstone.types import plain

MASK = "••••••"


def masked(settings: Settings) -> dict[str, Any]:
    """Return *settings* as JSON-ready values; fields that have no place in a `repr` are secrets."""
    return {f.name: _shown(f, getattr(settings, f.name)) for f in fields(settings)}


def _shown(field: Field[Any], value: object) -> Any:
    if not field.repr:
        return None if value is None else MASK
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str) and "@" in value:
        password = urlsplit(value).password
        return value if password is None else value.replace(f":{password}@", f":{MASK}@")
    return plain(value)
