"""Small files in every format that can be imported, written for these tests."""

import io
import json
from typing import Any

from keepstone.transfer.reading import Item, items

MESSAGES: list[dict[str, Any]] = [
    {"role": "user", "content": "I keep bees on the roof.", "timestamp": "2026-03-01T08:00:00+01:00", "id": "m1"},
    {"role": "assistant", "content": "How many hives?", "timestamp": "2026-03-01T08:00:05+01:00", "id": "m2"},
    {"role": "user", "content": "三个蜂箱，都在屋顶上。", "name": "Ren", "metadata": {"topic": "bees"}},
    {"role": "user", "content": "yes"},
    {"role": "user", "content": "yes"},
    {"role": "user", "content": "The queen of hive two is old.", "run_id": "spring"},
]


def node(id: str, parent: str | None, children: list[str], message: dict[str, Any] | None) -> dict[str, Any]:
    return {"id": id, "parent": parent, "children": children, "message": message}


def said(role: str, text: Any, at: float | None, kind: str = "text", **more: Any) -> dict[str, Any]:
    parts = text if isinstance(text, list) else [text]
    content = {"content_type": kind, "parts": parts}
    return {"author": {"role": role}, "create_time": at, "content": content, "recipient": "all", **more}


# The second question was asked again in other words, so that there are two branches under n2.
OPENAI: list[dict[str, Any]] = [
    {
        "id": "conv-1",
        "title": "Sourdough",
        "create_time": 1767258000.0,
        "current_node": "n6",
        "mapping": {
            "root": node("root", None, ["sys"], None),
            "sys": node("sys", "root", ["n1"], said("system", "", None)),
            "n1": node("n1", "sys", ["n2"], said("user", "My starter is called Bruno.", 1767258010.5)),
            "n2": node("n2", "n1", ["n3", "n5"], said("assistant", "A fine name for a starter.", 1767258020.0)),
            "n3": node("n3", "n2", ["n4"], said("user", "When do I feed it?", 1767258030.0)),
            "n4": node("n4", "n3", [], said("assistant", "Every morning.", 1767258040.0)),
            "n5": node("n5", "n2", ["t1"], said("user", ["How often do I feed Bruno?", {"asset": 1}], 1767258050.0)),
            "t1": node("t1", "n5", ["t2"], said("assistant", "search()", 1767258052.0, "code", recipient="browser")),
            "t2": node("t2", "t1", ["n6"], said("tool", "a page", 1767258054.0)),
            "n6": node("n6", "t2", [], said("assistant", "一天一次，早上喂。", None)),
        },
    },
    {
        "id": "conv-2",
        "title": "Empty",
        "create_time": 1767300000.0,
        "current_node": "r",
        "mapping": {"r": node("r", None, [], None)},
    },
]

CLAUDE: list[dict[str, Any]] = [
    {
        "uuid": "c-1",
        "name": "Seedlings",
        "chat_messages": [
            {
                "uuid": "u-1",
                "sender": "human",
                "text": "My tomatoes are leggy.",
                "content": [{"type": "text", "text": "My tomatoes are leggy."}],
                "created_at": "2026-02-03T10:00:00.123456Z",
                "attachments": [{"file_name": "a.txt"}],
            },
            {
                "uuid": "u-2",
                "sender": "assistant",
                "text": "placeholder for a tool",
                "content": [{"type": "tool_use", "name": "x"}, {"type": "text", "text": "多给它们一点光。"}],
                "created_at": "2026-02-03T10:00:09Z",
            },
            {"uuid": "u-3", "sender": "human", "text": "", "content": [], "created_at": "2026-02-03T10:01:00Z"},
        ],
    }
]

SESSIONS: list[dict[str, Any]] = [
    {
        "id": "pair-1",
        "sessions": [
            {
                "session_id": "s1",
                "date": "1:56 pm on 8 May, 2023",
                "turns": [
                    {"id": "1", "speaker": "Ines", "text": "I bought a red canoe."},
                    {"id": "2", "speaker": "Tomas", "text": "Where will you keep it?"},
                ],
            },
            {
                "session_id": "s2",
                "date": "2023-06-02 (Friday)",
                "turns": [
                    {"id": "3", "speaker": "用户", "text": "独木舟放在湖边的小屋里。"},
                    {"id": "4", "speaker": "AI", "text": ""},
                ],
            },
        ],
    },
    {
        "id": "pair-2",
        "sessions": [
            {
                "session_id": "s1",
                "date": "March-15-2024",
                "turns": [{"id": "1", "speaker": "user", "text": "It hails."}],
            }
        ],
    },
]


def lines(values: list[Any]) -> str:
    return "".join(json.dumps(v, ensure_ascii=False) + "\n" for v in values)


def stream(text: str | bytes) -> io.BufferedReader:
    raw = text if isinstance(text, bytes) else text.encode()
    return io.BufferedReader(io.BytesIO(raw))


def parsed(text: str | bytes) -> list[Item]:
    return list(items(stream(text)))
