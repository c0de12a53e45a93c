"""Chat models of Anthropic, over their Messages API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keepstone.llms._calls import CONCURRENCY, DEADLINE_SECONDS, REPLY_BYTES_MAX, TIMEOUT_SECONDS
from keepstone.llms._messages import AnthropicMessages
from keepstone.llms._prices import Prices
from keepstone.transport import Transport

ANTHROPIC_URL = "https://api.anthropic.com"
VERSION = "2023-06-01"


class AnthropicChatModel(AnthropicMessages):
    """*model* at Anthropic, or at another endpoint that speaks their `/v1/messages` (*base_url*, without `/v1`).

    JSON of a schema is asked for by a tool that the model is made to use, else in words; which of them works is found
    with the first request and remembered by this object. *concurrency* requests run at once in one event loop.
    *prices* are `{model: (input, output)}` in US dollars a million tokens and come before the list prices.
    *parameters* go into every request as they are, such as `{"temperature": 0}`. A try has *timeout_seconds*, all
    *attempts* with their waits *deadline_seconds*, a reply *reply_bytes_max* bytes.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None,
        base_url: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        deadline_seconds: float | None = DEADLINE_SECONDS,
        attempts: int = 5,
        concurrency: int = CONCURRENCY,
        prices: Prices | None = None,
        parameters: Mapping[str, Any] | None = None,
        reply_bytes_max: int = REPLY_BYTES_MAX,
    ) -> None:
        key = {"x-api-key": api_key} if api_key else {}
        transport = Transport(
            base_url=base_url or ANTHROPIC_URL,
            headers={"anthropic-version": VERSION, **key},
            provider="anthropic",
            timeout_seconds=timeout_seconds,
            deadline_seconds=deadline_seconds,
            attempts=attempts,
            reply_bytes_max=reply_bytes_max,
            secret=api_key,
        )
        super().__init__(
            model,
            transport,
            base_url=transport.base_url,
            concurrency=concurrency,
            prices=prices,
            parameters=parameters,
        )
