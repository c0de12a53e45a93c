"""Chat models behind any OpenAI-compatible endpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from keepstone.errors import BadReplyError
from keepstone.transport import OpenAITransport


class OpenAIChatModel:
    """*model* at an endpoint that speaks OpenAI's `/chat/completions` with JSON schemas."""

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None,
        base_url: str | None = None,
        timeout_seconds: float = 120.0,
        attempts: int = 5,
    ) -> None:
        self._model = model
        self._transport = OpenAITransport(
            api_key=api_key, base_url=base_url, timeout_seconds=timeout_seconds, attempts=attempts
        )

    @property
    def name(self) -> str:
        """Provider and model."""
        return f"openai:{self._model}"

    async def reply(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> Any:
        """Return the model's answer as JSON values.

        Raises:
            ProviderError: the endpoint failed after its retries, or the answer is not JSON.
        """
        body = {
            "model": self._model,
            "messages": [dict(m) for m in messages],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "reply", "strict": True, "schema": dict(schema)},
            },
        }
        reply = await self._transport.post("/chat/completions", body)
        try:
            return json.loads(reply["choices"][0]["message"]["content"])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise BadReplyError("openai", "the answer is not JSON", retryable=True) from error

    async def close(self) -> None:
        """Close the connections of the running loop."""
        await self._transport.close()
