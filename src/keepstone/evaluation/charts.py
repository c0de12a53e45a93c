"""Line charts as inline SVG: no script, no external resource, colours from the page's own variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 340, 210
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 14, 34
STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)
# Dashes tell the lines apart where colours do not: in print, and for people who see few of them.
DASHES = ("", "6 3", "2 3", "8 3 2 3")

Line = Mapping[int, float]


def chart(title: str, lines: Mapping[str, Line]) -> str:
    """Return a figure with one line a name: shares from 0 to 1 against token budgets, evenly spaced."""
    budgets = sorted({b for line in lines.values() for b in line})
    across = {b: _across(i, len(budgets)) for i, b in enumerate(budgets)}
    parts = [
        f'<figure class="chart"><figcaption>{escape(title)}</figcaption>',
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(_spoken(title, lines))}">',
        *(_grid(step) for step in STEPS),
        *(_label(x, HEIGHT - 16, str(budget)) for budget, x in across.items()),
        _label((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 3, "tokens"),
        *(_line(number, line, across) for number, line in enumerate(lines.values())),
        "</svg>",
        _legend(list(lines)),
        "</figure>",
    ]
    return "\n".join(parts)


def _across(index: int, count: int) -> float:
    room = WIDTH - LEFT - RIGHT
    return LEFT + room * ((index + 0.5) / count)


def _down(share: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)


def _grid(step: float) -> str:
    y = _down(step)
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" text-anchor="end" x="{LEFT - 6}" y="{y + 4:.1f}">{step:.2f}</text>'
    )


def _label(x: float, y: float, text: str) -> str:
    return f'<text class="tick" text-anchor="middle" x="{x:.1f}" y="{y:.1f}">{text}</text>'


def _line(number: int, line: Line, across: Mapping[int, float]) -> str:
    places = [(across[b], _down(line[b]), line[b], b) for b in sorted(line)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in places)
    dots = "".join(
        f'<circle class="dot c{number}" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{v:.3f} at {b} tokens</title></circle>'
        for x, y, v, b in places
    )
    return f'<polyline class="line c{number}" stroke-dasharray="{_dash(number)}" points="{points}"/>{dots}'


def _legend(names: Sequence[str]) -> str:
    entries = "".join(
        f'<li><svg class="key" viewBox="0 0 26 8" aria-hidden="true">'
        f'<line class="line c{i}" stroke-dasharray="{_dash(i)}" x1="0" x2="26" y1="4" y2="4"/></svg>{escape(name)}</li>'
        for i, name in enumerate(names)
    )
    return f'<ul class="legend">{entries}</ul>'


def _dash(number: int) -> str:
    return DASHES[number % len(DASHES)]


def _spoken(title: str, lines: Mapping[str, Line]) -> str:
    said = {n: ", ".join(f"{v:.2f} at {b}" for b, v in sorted(line.items())) for n, line in lines.items()}
    return f"{title}. " + "; ".join(f"{name}: {values}" for name, values in said.items())
