"""How values look on a page: times with their zone, texts with everything visible that would hide or turn them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from markupsafe import Markup, escape

# Controls, marks that turn the direction of what follows, and characters without width: kept, but shown by number.
# The joiners U+200C and U+200D stay, for words of some languages and emoji are made with them.
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
SHORT_CHARS = 160


def shown(text: object) -> Markup:
    """Return *text* for a page: escaped, isolated from what stands around it, hidden characters made visible."""
    parts: list[str] = []
    done, raw = 0, str(text)
    for match in HIDDEN.finditer(raw):
        number = f"U+{ord(match.group()):04X}"
        parts += [str(escape(raw[done : match.start()])), f'<span class="hidden-char">{number}</span>']
        done = match.end()
    parts.append(str(escape(raw[done:])))
    return Markup(f"<bdi>{''.join(parts)}</bdi>")


def coded(text: str) -> Markup:
    """Return words of ours for a page, with what stands between backticks as code."""
    parts = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(p) if n % 2 else escape(p) for n, p in enumerate(parts))


def short(text: str, length: int = SHORT_CHARS) -> str:
    """Return *text* on one line, cut after *length* characters."""
    joined = " ".join(text.split())
    return joined if len(joined) <= length else f"{joined[: length - 1]}…"


def moment(value: datetime | None) -> Markup:
    """Return a time to the minute in UTC, a dash for none."""
    if value is None:
        return Markup("–")
    utc = value.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(utc.isoformat(), utc.strftime("%Y-%m-%d %H:%M UTC"))


def day(value: datetime | None) -> Markup:
    """Return the day of a time in UTC, a dash for none."""
    if value is None:
        return Markup("–")
    utc = value.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(utc.isoformat(), utc.strftime("%Y-%m-%d"))


def count(value: int) -> str:
    """Return a number with its thousands apart."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def size(value: int | None) -> str:
    """Return a number of bytes in a unit that people read, a dash for none."""
    if value is None:
        return "–"
    amount = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
