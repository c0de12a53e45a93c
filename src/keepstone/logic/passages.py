"""Cutting long texts into passages: the units that are embedded and counted."""

from __future__ import annotations

import re

from keepstone.logic.text import estimate_tokens
from keepstone.types import Span

PASSAGE_TOKENS = 160
_SENTENCE = re.compile(r"[^\n。！？!?.;；]*(?:[。！？!?.;；]+[\"'”’）)\]]*|\n+|$)\s*")


def passages(text: str, tokens_max: int = PASSAGE_TOKENS) -> list[Span]:
    """Return spans that cover *text* in order, each of about *tokens_max* estimated tokens or fewer.

    Cuts fall after sentences where there are any, else between words, else anywhere. A text that fits is one
    span; an empty text has one empty span.
    """
    if estimate_tokens(text) <= tokens_max:
        return [Span(start=0, end=len(text))]
    spans: list[Span] = []
    start = end = used = 0
    for piece in _pieces(text, tokens_max):
        size = estimate_tokens(text[piece.start : piece.end])
        if used and used + size > tokens_max:
            spans.append(Span(start=start, end=end))
            start, used = piece.start, 0
        end, used = piece.end, used + size
    spans.append(Span(start=start, end=end))
    return spans


def _pieces(text: str, tokens_max: int) -> list[Span]:
    pieces: list[Span] = []
    for match in _SENTENCE.finditer(text):
        start, end = match.span()
        if start == end:
            continue
        if estimate_tokens(text[start:end]) <= tokens_max:
            pieces.append(Span(start=start, end=end))
        else:
            pieces.extend(_hard_cut(text, start, end, tokens_max))
    return pieces


def _hard_cut(text: str, start: int, end: int, tokens_max: int) -> list[Span]:
    pieces: list[Span] = []
    while start < end:
        # A token is at least one character, and at most four by the estimate.
        stop = min(end, start + 4 * tokens_max)
        while estimate_tokens(text[start:stop]) > tokens_max:
            stop -= max(1, (stop - start) // 8)
        if stop < end and (space := text.rfind(" ", start + 1, stop)) > start + (stop - start) // 2:
            stop = space + 1
        pieces.append(Span(start=start, end=stop))
        start = stop
    return pieces
