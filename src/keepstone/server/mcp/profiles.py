"""Which tools are shown: ours, or a set that is known from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from keepstone.errors import InvalidRequestError
from keepstone.server.mcp import chatgpt, mem0, openmemory, tools
from keepstone.server.mcp.calling import Tool

DEFAULT = "keepstone"

# Every tool of every profile, with its operation: what is not here cannot be called.
TOOLS: Mapping[str, tuple[Tool, ...]] = MappingProxyType(
    {DEFAULT: tools.KEEPSTONE, "mem0": mem0.MEM0, "openmemory": openmemory.OPENMEMORY, "chatgpt": chatgpt.CHATGPT}
)


def of(profile: str) -> Mapping[str, Tool]:
    """Return the tools of a profile by name.

    Raises:
        InvalidRequestError: there is no such profile.
    """
    found = TOOLS.get(profile)
    if found is None:
        raise InvalidRequestError(f"There is no such profile; there are {', '.join(TOOLS)}.")
    return {tool.name: tool for tool in found}
