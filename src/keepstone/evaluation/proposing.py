"""Making an assertion file from one's own store: memories worth asking for, with the question left to a person.

An existing file keeps every character that a person wrote; what it does not speak of yet is added at its end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from heapq import nlargest

from keepstone.evaluation.assertions import SCOPE_KEYS, parse
from keepstone.logic.text import is_back_channel
from keepstone.memory import AsyncMemory
from keepstone.types import MemoryRecord, Scope, Status

PAGE = 500
HINT = 300

HEADER = """\
# What this memory must be able to find. Fill in questions, then run
#
#     keepstone eval check FILE
#
# which asks them of the store, changes nothing, and ends with 1 if an answer is missing. Each [[question]] has
#
#   question          what to ask. "" is left out until you fill it in; ask in other words than the memory's own
#   expect            ids of memories, or your ids of messages, that must be found
#   must_contain      texts that must stand in what is found      (a list, whatever the case)
#   must_not_contain  texts that must not
#   must_not_find     ids that must not be found
#   max_score         for what the store cannot know: the most, 0 to 1, that the first hit may score
#
# and may set its own min_recall, at_most_rank and within_tokens. Running `keepstone eval init` on this file again adds
# newer memories below and changes nothing of yours. To leave a memory out for good, put its id into skip.

skip = []

[scope]
{scope}

[defaults]
min_recall = 1.0     # share of `expect` that must be found, 0 to 1
at_most_rank = 10    # among so many first hits
# within_tokens = 1000   # and, if given, among the hits that fit into so many tokens
"""

# A statement of the form "my … is …" answers the question "what is my …?".
_MY = re.compile(r"^my (?P<what>[^,.;:!?]{1,60}?) (?P<verb>is|are|was|were) \S", re.IGNORECASE)
_WO_DE = re.compile(r"^我的?(?P<what>[^，。；：！？、\s]{1,20}?)(?P<verb>是|叫|在)\S")


async def select(memory: AsyncMemory, scope: Scope, limit: int) -> list[MemoryRecord]:
    """Return the *limit* most important memories of a scope, of equal ones the newest; the newest stands last.

    What is no longer current, and what says nothing ("yes", "好的"), is left out; what people said goes before what the
    assistant said.
    """
    found: list[MemoryRecord] = []
    cursor = None
    while True:
        page = await memory.get_all(
            user_id=scope.user_id,
            agent_id=scope.agent_id,
            app_id=scope.app_id,
            run_id=scope.run_id,
            limit=PAGE,
            cursor=cursor,
            include_superseded=False,
        )
        found = nlargest(limit, [*found, *filter(_worth_asking, page.items)], key=_standing)
        cursor = page.next_cursor
        if cursor is None:
            return sorted(found, key=lambda r: r.sequence)


def write(scope: Scope, records: Iterable[MemoryRecord]) -> str:
    """Return a new file for *records*."""
    ids = {key: getattr(scope, name) for key, name in SCOPE_KEYS.items()}
    lines = "\n".join(f"{key} = {_quoted(value)}" for key, value in ids.items() if value is not None)
    return HEADER.format(scope=lines) + "".join(map(_block, records))


def extend(text: str, records: Sequence[MemoryRecord]) -> tuple[str, int]:
    """Return *text* with blocks for those of *records* that it does not speak of, and how many those are.

    Raises:
        InvalidRequestError: *text* is not an assertion file.
    """
    named = parse(text).named
    fresh = [r for r in records if named.isdisjoint((r.id, *r.sources))]
    end = "" if text.endswith("\n") or not fresh else "\n"
    return text + end + "".join(map(_block, fresh)), len(fresh)


def proposal(text: str) -> str | None:
    """Return a question that a plain statement about the speaker answers, None if it has another form."""
    if match := _MY.match(text):
        return f"What {match['verb'].lower()} my {match['what']}?"
    if match := _WO_DE.match(text):
        asked = {"是": "是什么", "叫": "叫什么", "在": "在哪里"}[match["verb"]]
        return f"我{'的' if text.startswith('我的') else ''}{match['what']}{asked}？"
    return None


def _block(record: MemoryRecord) -> str:
    who = record.name or record.role or record.kind.value
    day = (record.occurred_at or record.created_at).date().isoformat()
    lines = ["", f"# {day} {_one_line(who)}: {_one_line(record.text)}"]
    if asked := proposal(record.text):
        lines.append(f"# for example: {_one_line(asked)}")
    lines += ["[[question]]", 'question = ""', f"expect = [{_quoted(record.id)}]"]
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    """Text for a comment: one line, and none of the control characters that TOML forbids there."""
    joined = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return joined if len(joined) <= HINT else f"{joined[:HINT]} …"


def _quoted(text: str) -> str:
    # JSON's escapes of strings are TOML's too, save that TOML also wants DEL escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _worth_asking(record: MemoryRecord) -> bool:
    return record.status is Status.CURRENT and not is_back_channel(record.text)


def _standing(record: MemoryRecord) -> tuple[bool, float, int]:
    return (record.role != "assistant", record.importance, record.sequence)
