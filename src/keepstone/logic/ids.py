"""Ids: UUIDv7 (RFC 9562) whose random part begins with the bucket of the partition.

Layout of the 128 bits: 48 of Unix milliseconds, 4 of version, 12 of order within the millisecond, 2 of
variant, 16 of bucket, 46 random. An id alone tells the shard on which its partition lives.
"""

from __future__ import annotations

import hashlib
import uuid

from keepstone.types import Scope

BUCKETS = 1 << 16


def bucket(scope: Scope) -> int:
    """Return the bucket, 0 to 65535, of the partition that *scope* owns: a hash of tenant and owner."""
    kind, owner = scope.owner or ("", "")
    text = "\x1f".join((scope.tenant, kind, owner))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=2).digest(), "big")


def partition(scope: Scope) -> str:
    """Return the name of the partition that *scope* owns within its tenant, such as `user:alice`."""
    kind, owner = scope.owner or ("", "")
    return f"{kind}:{owner}"


def uuid7(milliseconds: int, order: int, bucket: int, random: int) -> str:
    """Return a UUIDv7; *order* takes 12 bits, *bucket* 16, *random* 46, higher bits are dropped."""
    value = (milliseconds & (1 << 48) - 1) << 80 | 7 << 76 | (order & 0xFFF) << 64
    value |= 2 << 62 | (bucket & 0xFFFF) << 46 | random & (1 << 46) - 1
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def bucket_of(id: str) -> int:
    """Return the bucket that an id of ours carries."""
    return uuid.UUID(id).int >> 46 & 0xFFFF


def is_ours(id: str) -> bool:
    """Return whether *id* reads as a UUIDv7, so that it can be one of ours."""
    try:
        return uuid.UUID(id).version == 7
    except ValueError:
        return False
