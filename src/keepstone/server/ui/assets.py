"""Static files, each under an address that has the hash of its content, so that browsers may keep it for good."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from keepstone.errors import NotFoundError

STATIC = Path(__file__).parent / "static"
HASH_CHARS = 16
LONG = "public, max-age=31536000, immutable"
COMPRESSED = frozenset({".css", ".js", ".svg"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file as it is sent; `compressed` is None where that would not make it smaller."""

    digest: str
    media_type: str
    content: bytes
    compressed: bytes | None


@cache
def asset(name: str) -> Asset:
    """Return the static file *name*, a path below `static`.

    Raises:
        NotFoundError: there is none.
    """
    # By name from a list, so that no other spelling leads to a file, or fills the cache.
    if name not in _names():
        raise NotFoundError("No such file.")
    path = STATIC / name
    content = path.read_bytes()
    return Asset(
        digest=hashlib.sha256(content).hexdigest()[:HASH_CHARS],
        media_type=mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        content=content,
        compressed=gzip.compress(content, mtime=0) if path.suffix in COMPRESSED else None,
    )


def address(name: str) -> str:
    """Return where the static file *name* is found."""
    return f"/ui/static/{asset(name).digest}/{name}"


@cache
def _names() -> frozenset[str]:
    return frozenset(p.relative_to(STATIC).as_posix() for p in STATIC.rglob("*") if p.is_file())
