"""Spending a token budget: which evidence a context shows, in which order it is taken, and what that costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from keepstone.logic.evidence import Evidence
from keepstone.logic.layout import Labels, Layout, Page, lay_out
from keepstone.types import LeftOut, TokenCounter

# Of the budget: what standing memories may take, and how far lines are trusted to add up before the whole is counted.
STANDING_SHARE = 0.3
TRUSTED_SHARE = 0.9
# So many lines that do not fit, one after the other, end the search for smaller ones.
MISSES_MAX = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How many tokens a context may have, by which counter."""

    tokens: int
    counter: TokenCounter


class Fitting:
    """Fits lines into a budget, counting the whole formatted text."""

    def __init__(self, layout: Layout, words: Labels, budget: Budget) -> None:
        self._layout, self._words, self._budget = layout, words, budget

    def page(self, standing: Sequence[Evidence], found: Sequence[Evidence]) -> Page:
        """Return the page with these lines."""
        return lay_out(self._layout, standing, found, self._words)

    def size(self, standing: Sequence[Evidence], found: Sequence[Evidence]) -> int:
        """Return what the page with these lines costs; nothing costs nothing."""
        return self._budget.counter(self.page(standing, found).text) if standing or found else 0

    def standing(self, entries: Sequence[Evidence]) -> tuple[list[Evidence], list[LeftOut]]:
        """Return those of *entries*, wanted first, that fit into their share of the budget, in order of adding."""
        most = STANDING_SHARE * self._budget.tokens
        kept = self._fitted(entries, most, lambda some: self.size(_by_adding(some), []))
        return _by_adding(kept), _no_room(entries, kept)

    def found(self, standing: Sequence[Evidence], entries: Sequence[Evidence]) -> tuple[list[Evidence], list[LeftOut]]:
        """Return those of *entries*, best first, that fit beside *standing*."""
        kept = self._fitted(entries, self._budget.tokens, lambda some: self.size(standing, some))
        return kept, _no_room(entries, kept)

    def _fitted(
        self, entries: Sequence[Evidence], most: float, size: Callable[[Sequence[Evidence]], int]
    ) -> list[Evidence]:
        counter = self._budget.counter
        costs = [counter(f"{e.record.name or e.record.role or ''}: {e.shown}\n") for e in entries]
        trusted, guess = 0, float(size([]))
        while trusted < len(entries) and guess + costs[trusted] <= TRUSTED_SHARE * most:
            guess += costs[trusted]
            trusted += 1
        kept = list(entries[:trusted])
        used = size(kept)
        while kept and used > most:
            kept = kept[: len(kept) // 2]
            used = size(kept)
        misses = 0
        for entry, cost in zip(entries[len(kept) :], costs[len(kept) :], strict=True):
            if used + cost // 2 <= most and (tried := size([*kept, entry])) <= most:
                kept.append(entry)
                used, misses = tried, 0
            else:
                misses += 1
            if misses == MISSES_MAX:
                break
        return kept if used <= most else []


def _by_adding(entries: Sequence[Evidence]) -> list[Evidence]:
    return sorted(entries, key=lambda e: (e.record.sequence, e.record.id))


def _no_room(entries: Sequence[Evidence], kept: Sequence[Evidence]) -> list[LeftOut]:
    there = {e.record.id for e in kept}
    return [LeftOut(memory_id=e.record.id, reason="budget", score=e.score) for e in entries if e.record.id not in there]
