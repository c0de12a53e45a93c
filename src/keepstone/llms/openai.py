"""Chat models behind any OpenAI-compatible endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keepstone.llms._calls import CONCURRENCY, DEADLINE_SECONDS, REPLY_BYTES_MAX, TIMEOUT_SECONDS
from keepstone.llms._completions import ChatCompletions
from keepstone.llms._prices import Prices
from keepstone.transport import OpenAITransport


class OpenAIChatModel(ChatCompletions):
    """*model* at an endpoint that speaks OpenAI's `/chat/completions`.

    JSON of a schema is asked for by `response_format`, else by a tool that the model is made to call, else in words;
    which of them works is found with the first request and remembered by this object, and so is the name of the
    limit on the answer's length. *provider* is the part of the name before the colon. *concurrency* requests run at
    once in one event loop. *prices* are `{model: (input, output)}` in US dollars a million tokens and come before the
    list prices. *parameters* go into every request as they are, such as `{"temperature": 0}`. A try has
    *timeout_seconds*, all *attempts* with their waits *deadline_seconds*, a reply *reply_bytes_max* bytes.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None,
        base_url: str | None = None,
        provider: str = "openai",
        timeout_seconds: float = TIMEOUT_SECONDS,
        deadline_seconds: float | None = DEADLINE_SECONDS,
        attempts: int = 5,
        concurrency: int = CONCURRENCY,
        prices: Prices | None = None,
        parameters: Mapping[str, Any] | None = None,
        reply_bytes_max: int = REPLY_BYTES_MAX,
    ) -> None:
        transport = OpenAITransport(
            api_key=api_key,
            base_url=base_url,
            timeout_seconds=timeout_seconds,
            deadline_seconds=deadline_seconds,
            attempts=attempts,
            reply_bytes_max=reply_bytes_max,
            provider=provider,
        )
        super().__init__(
            model,
            transport,
            provider=provider,
            base_url=transport.base_url,
            concurrency=concurrency,
            prices=prices,
            parameters=parameters,
        )
