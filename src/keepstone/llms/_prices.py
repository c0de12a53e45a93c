"""List prices of chat models, in US dollars a million tokens, as of 20 November 2026.

Standard tier, short prompts, nothing from a cache: what a call costs at most. Providers change them; a caller's own
`prices` come first. A dated name such as `gpt-5-mini-2025-08-07` has the price of the name before the date.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

# (input, output)
Prices: TypeAlias = Mapping[str, tuple[float, float]]

LIST_PRICES: Mapping[str, Prices] = {
    "openai": {
        "gpt-4.1": (2.0, 8.0),
        "gpt-4.1-mini": (0.4, 1.6),
        "gpt-4.1-nano": (0.1, 0.4),
        "gpt-4o": (2.5, 10.0),
        "gpt-4o-mini": (0.15, 0.6),
        "gpt-5": (1.25, 10.0),
        "gpt-5-mini": (0.25, 2.0),
        "gpt-5-nano": (0.05, 0.4),
        "gpt-5.1": (1.25, 10.0),
        "gpt-5.2": (1.75, 14.0),
        "gpt-5.4": (2.5, 15.0),
        "gpt-5.4-mini": (0.75, 4.5),
        "gpt-5.4-nano": (0.2, 1.25),
        "gpt-5.5": (5.0, 30.0),
        "gpt-5.6-luna": (0.2, 1.2),
        "gpt-5.6-sol": (4.0, 20.0),
        "gpt-5.6-terra": (2.0, 12.0),
        "o4-mini": (1.1, 4.4),
    },
    "anthropic": {
        "claude-haiku-4-5": (1.0, 5.0),
        "claude-haiku-5-5": (0.1, 0.5),
        "claude-opus-4-5": (5.0, 25.0),
        "claude-opus-4-8": (5.0, 25.0),
        "claude-opus-5": (5.0, 25.0),
        "claude-opus-5-5": (4.0, 20.0),
        "claude-sonnet-4-5": (3.0, 15.0),
        "claude-sonnet-4-6": (3.0, 15.0),
        "claude-sonnet-5": (2.0, 10.0),
        "claude-sonnet-5-5": (2.0, 10.0),
    },
    "deepseek": {
        "deepseek-flash": (0.15, 0.6),
        "deepseek-v4-pro": (0.66, 1.98),
    },
}

DATE = re.compile(r"-(?:\d{8}|\d{4}-\d{2}-\d{2}|latest)$")


def price_usd(
    host: str, name: str, input_tokens: int | None, output_tokens: int | None, own: Prices | None
) -> float | None:
    """Return what a call of the model *name* at *host* cost at most; None if the price or the tokens are not known.

    *own* prices are looked up by the model with or without its provider. What another host than the provider's own
    takes is not known.
    """
    provider, _, model = name.partition(":")
    listed = LIST_PRICES.get(provider, {}) if host.endswith(f"api.{provider}.com") else {}
    table = {**listed, **(own or {})}
    price = table.get(name) or table.get(model) or table.get(DATE.sub("", model))
    if price is None or input_tokens is None or output_tokens is None:
        return None
    return (input_tokens * price[0] + output_tokens * price[1]) / 1_000_000
