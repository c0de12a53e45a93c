"""The shape of a model's reply, as a strict JSON schema: every property is required, no other is allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keepstone.chat import Tool

OPS = ("add", "update", "supersede", "delete", "none")
SECTIONS = ("identity", "preferences", "people", "plans", "work", "health", "constraints", "other")
ENTITY_TYPES = ("person", "place", "organisation", "thing")


def reply_schema(*, procedures: bool = False) -> dict[str, Any]:
    """Return the schema of a list of changes; *procedures* allows that kind."""
    kinds = ("fact", "procedure") if procedures else ("fact",)
    entity = _strict(
        {"name": _TEXT, "type": {"type": "string", "enum": list(ENTITY_TYPES)}, "aliases": _list(_TEXT)},
    )
    change = _strict(
        {
            "op": {"type": "string", "enum": list(OPS)},
            "target": _OPTIONAL,
            "text": _TEXT,
            "kind": {"type": "string", "enum": list(kinds)},
            "section": {"type": "string", "enum": list(SECTIONS)},
            "sources": _list(_TEXT),
            "when": _OPTIONAL,
            "valid_from": _OPTIONAL,
            "valid_to": _OPTIONAL,
            "confidence": {"type": "number"},
            "entities": _list(entity),
            "rests_on": _list(_TEXT),
        }
    )
    return _strict({"changes": _list(change)})


def tools() -> tuple[Tool, ...]:
    """Return the tools of the two-step method."""
    memory = {"type": "string", "description": "The memory, in one sentence."}
    target = {"type": "string", "description": "The handle of the known memory, as in k1."}
    return (
        Tool(name="add_memory", description="Add a memory.", parameters=_strict({"memory": memory})),
        Tool(
            name="update_memory",
            description="Replace a known memory.",
            parameters=_strict({"target": target, "memory": memory}),
        ),
        Tool(name="delete_memory", description="Forget a known memory.", parameters=_strict({"target": target})),
    )


_TEXT: Mapping[str, Any] = {"type": "string"}
_OPTIONAL: Mapping[str, Any] = {"type": ["string", "null"]}


def _list(of: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": dict(of)}


def _strict(properties: Mapping[str, Any]) -> dict[str, Any]:
    names: Sequence[str] = list(properties)
    return {
        "type": "object",
        "properties": {k: dict(v) for k, v in properties.items()},
        "required": names,
        "additionalProperties": False,
    }
