"""Formats of a context: lines under headings, as plain text, Markdown or XML, and where each line stands.

Memory text is quoted: it never begins a line, holds no line break, and is escaped in XML, so that no text can pass
for a heading or for another line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from keepstone.logic.evidence import Evidence, folded
from keepstone.types import ContextFormat, Kind, Span

FORMATS: tuple[ContextFormat, ...] = ("text", "markdown", "xml", "messages")

SPEAKER_CHARS_MAX = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The words of the frame in one language."""

    sections: dict[Kind, str]
    standing: str
    superseded: str
    roles: dict[str, str]
    colon: str


ENGLISH = Labels(
    sections={Kind.PROFILE: "Profile", Kind.FACT: "Facts", Kind.PROCEDURE: "Procedures", Kind.SUMMARY: "Summaries"},
    standing="Known",
    superseded="superseded",
    roles={},
    colon=": ",
)
CHINESE = Labels(
    sections={Kind.PROFILE: "档案", Kind.FACT: "事实", Kind.PROCEDURE: "做法", Kind.SUMMARY: "摘要"},
    standing="已知",
    superseded="已被取代",
    roles={"user": "用户", "assistant": "助手", "system": "系统", "tool": "工具"},
    colon="：",
)


def labels(language: str) -> Labels:
    """Return the words of the frame for a language by its tag: Chinese for zh, else English."""
    return CHINESE if language == "zh" else ENGLISH


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How one format writes a frame, headings and lines."""

    opening: str
    closing: str
    gap: str
    heading: Callable[[str, Labels], str]
    day: Callable[[str], str]
    section_end: str
    day_end: str
    statement: Callable[[Evidence, Labels], str]
    turn: Callable[[Evidence, Labels], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A laid out context: the text, where each entry's line stands in it, and where the query-dependent part starts."""

    text: str
    places: tuple[tuple[Evidence, Span], ...]
    prefix_end: int


def layout_of(format: ContextFormat) -> Layout:
    """Return the layout of a format; chat messages are written as plain text."""
    return {"text": _TEXT, "messages": _TEXT, "markdown": _MARKDOWN, "xml": _XML}[format]


def lay_out(layout: Layout, standing: Sequence[Evidence], found: Sequence[Evidence], query_labels: Labels) -> Page:
    """Return a page with *standing* first, then statements, then what was said, day by day.

    The part before `prefix_end` depends on *standing* alone, its words included: they are in the language that most
    of *standing* is in.
    """
    writer = _Writer()
    if standing or found:
        writer.write(layout.opening)
    if standing:
        chinese = sum(e.record.language == "zh" for e in standing) * 2 > len(standing)
        own = labels("zh" if chinese else "en")
        _section(writer, layout, layout.heading(own.standing, own), standing, own)
    prefix_end = len(writer.text)
    for kind in (Kind.PROFILE, Kind.FACT, Kind.PROCEDURE, Kind.SUMMARY):
        lines = [e for e in found if e.record.kind is kind]
        if lines:
            lines.sort(key=lambda e: (e.is_superseded, e.order))
            writer.part(layout.gap)
            _section(writer, layout, layout.heading(query_labels.sections[kind], query_labels), lines, query_labels)
    said = sorted((e for e in found if not e.is_statement), key=lambda e: e.order)
    for day, turns in groupby(said, key=lambda e: e.when.date().isoformat()):
        writer.part(layout.gap)
        _day(writer, layout, day, list(turns), query_labels)
    if standing or found:
        writer.write(layout.closing)
    return Page(text=writer.text, places=tuple(writer.places), prefix_end=prefix_end)


class _Writer:
    def __init__(self) -> None:
        self.text = ""
        self.places: list[tuple[Evidence, Span]] = []

    def write(self, piece: str) -> None:
        self.text += piece

    def part(self, gap: str) -> None:
        if self.text and not self.text.endswith(gap):
            self.text += gap

    def line(self, entry: Evidence, line: str) -> None:
        start = len(self.text)
        self.text += line
        self.places.append((entry, Span(start=start, end=len(self.text))))


def _section(writer: _Writer, layout: Layout, heading: str, lines: Sequence[Evidence], words: Labels) -> None:
    writer.write(heading)
    for entry in lines:
        writer.write("\n")
        writer.line(entry, layout.statement(entry, words))
    writer.write(layout.section_end)


def _day(writer: _Writer, layout: Layout, day: str, turns: Sequence[Evidence], words: Labels) -> None:
    writer.write(layout.day(day))
    last = None
    for entry in turns:
        # A blank line where the conversation does not go on.
        writer.write("\n" if last is None or entry.follows(last) else layout.gap)
        writer.line(entry, layout.turn(entry, words))
        last = entry
    writer.write(layout.day_end)


def speaker(entry: Evidence, words: Labels) -> str:
    """Return who said it: the name, else the role in the language of the frame."""
    record = entry.record
    name = folded(record.name or "")[:SPEAKER_CHARS_MAX]
    role = folded(record.role or "user")[:SPEAKER_CHARS_MAX]
    return name or words.roles.get(role, role)


def _date(entry: Evidence) -> str:
    return entry.when.date().isoformat()


def _until(entry: Evidence) -> str:
    end = entry.record.valid_to
    return "" if end is None else end.date().isoformat()


def _mark(entry: Evidence, words: Labels) -> str:
    if not entry.is_superseded:
        return ""
    return f"[{' '.join(filter(None, (words.superseded, _until(entry))))}] "


def _xml_mark(entry: Evidence) -> str:
    return f' superseded="{_until(entry) or "true"}"' if entry.is_superseded else ""


_TEXT = Layout(
    opening="",
    closing="",
    gap="\n\n",
    heading=lambda label, words: f"{label}{words.colon}".rstrip(),
    day=lambda day: day,
    section_end="",
    day_end="",
    statement=lambda e, words: f"- {_date(e)} {_mark(e, words)}{e.shown}",
    turn=lambda e, words: f"{speaker(e, words)}{words.colon}{_mark(e, words)}{e.shown}",
)
_MARKDOWN = Layout(
    opening="",
    closing="",
    gap="\n\n",
    heading=lambda label, words: f"## {label}",
    day=lambda day: f"## {day}",
    section_end="",
    day_end="",
    statement=lambda e, words: f"- {_date(e)} {_mark(e, words)}{e.shown}",
    turn=lambda e, words: f"- {speaker(e, words)}{words.colon}{_mark(e, words)}{e.shown}",
)


def _quoted(text: str) -> str:
    return f'"{escape(text)}"'


_XML = Layout(
    opening="<memory>\n",
    closing="\n</memory>",
    gap="\n",
    heading=lambda label, words: f"<statements title={_quoted(label)}>",
    day=lambda day: f'<said date="{day}">',
    section_end="\n</statements>",
    day_end="\n</said>",
    statement=lambda e, words: (
        f'<{e.record.kind.value} date="{_date(e)}"{_xml_mark(e)}>{escape(e.shown, quote=False)}</{e.record.kind.value}>'
    ),
    turn=lambda e, words: f"<turn by={_quoted(speaker(e, words))}{_xml_mark(e)}>{escape(e.shown, quote=False)}</turn>",
)
