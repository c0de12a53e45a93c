"""Mem0's library interface (2.x): change the import, keep the script.

    from keepstone.compat.mem0 import AsyncMemory, Memory

Calls and results have Mem0's shapes. What differs is Keepstone: what is said is kept as it was said, in one SQLite
file; a language model is optional; what was deleted can be brought back.
"""

from keepstone.compat.mem0.asynchronous import AsyncMemory
from keepstone.compat.mem0.blocking import Memory

__all__ = ["AsyncMemory", "Memory"]
