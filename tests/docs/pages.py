"""Reading a documentation page: its fenced blocks, and what the comment before a block asks for."""

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

FENCE = re.compile(r"^(?P<indent> *)(?P<marks>`{3,}|~{3,}) *(?P<info>[^`]*)$")
DIRECTIVE = re.compile(r"^\s*<!--\s*(?P<word>[a-z]+)(?::\s*(?P<value>\w+))?\s*-->\s*$")

DIRECTIVES = {"continues", "raises", "serves"}


class PageError(Exception):
    """A page is written in a way that the tests do not understand."""


@dataclass(frozen=True)
class Block:
    """One fenced block: `line` is the first line of its code, counted from 1."""

    language: str
    code: str
    line: int
    continues: bool = False
    raises: str = ""
    serves: bool = False


def read_blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of *page* in order.

    Raises:
        PageError: a fence is not closed, or a directive is unknown or contradicts its block.
    """
    return parse_blocks(page.read_text(encoding="utf-8"))


def parse_blocks(text: str) -> list[Block]:
    lines = text.splitlines()
    blocks = []
    position = 0
    while position < len(lines):
        opening = FENCE.match(lines[position])
        if opening is None:
            position += 1
            continue
        end = closing_line(lines, position, opening["marks"])
        code = dedent("\n".join(lines[position + 1 : end])) + "\n"
        before = lines[position - 1] if position else ""
        blocks.append(annotated(opening["info"].strip(), code, position + 2, before))
        position = end + 1
    return blocks


def closing_line(lines: list[str], opening: int, marks: str) -> int:
    for number in range(opening + 1, len(lines)):
        stripped = lines[number].strip()
        if set(stripped) == {marks[0]} and len(stripped) >= len(marks):
            return number
    raise PageError(f"line {opening + 1}: the block is never closed")


def annotated(info: str, code: str, line: int, before: str) -> Block:
    language = info.split()[0] if info else ""
    directive = DIRECTIVE.match(before)
    if directive is None:
        return Block(language, code, line)
    word, value = directive["word"], directive["value"] or ""
    if word not in DIRECTIVES or (word == "raises") != bool(value):
        raise PageError(f"line {line - 2}: {before.strip()} is not a directive")
    if word == "raises" and language != "python":
        raise PageError(f"line {line - 2}: only a python block can raise")
    if word == "serves" and language != "bash":
        raise PageError(f"line {line - 2}: only a bash block can serve")
    return Block(language, code, line, continues=word == "continues", raises=value, serves=word == "serves")
