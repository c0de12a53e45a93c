"""What every chat model over HTTP does alike: its turn, its time, and the form in which JSON is asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from keepstone.chat import ChatReply, ChatRequest
from keepstone.llms._calls import Gate, Sender, Stopwatch
from keepstone.llms._forms import Form, Forms, UnsupportedError
from keepstone.llms._prices import Prices


class ShapedModel(ABC):
    """*model* of *provider* behind *sender*; a further interface says how one request is asked, in `_asked`."""

    def __init__(
        self,
        model: str,
        sender: Sender,
        provider: str,
        base_url: str,
        concurrency: int,
        prices: Prices | None,
        parameters: Mapping[str, Any] | None,
        forms: Forms,
    ) -> None:
        self._model, self._sender, self._provider = model, sender, provider
        self._host = urlsplit(base_url).hostname or ""
        self._prices = prices
        self._parameters = dict(parameters or {})
        self._gate = Gate(concurrency)
        self._forms = forms

    @property
    def name(self) -> str:
        """Provider and model, as in `openai:gpt-5-mini`."""
        return f"{self._provider}:{self._model}"

    @property
    def form(self) -> Form:
        """How JSON of a schema is asked for by now: `schema`, `tool` or `words`."""
        return self._forms.first

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Return what the model answers; whether it is what was asked for is for the caller to check.

        Raises:
            ProviderError: the endpoint failed after its retries, or its answer has another shape than it should.
        """
        async with self._gate.turn():
            watch = Stopwatch()
            # Calls of tools and plain text have one form only.
            plain = request.tools or request.schema is None
            reply = await (self._plain(request) if plain else self._forms.shaped(request, self._asked))
            return replace(reply, milliseconds=watch.milliseconds())

    async def close(self) -> None:
        """Close the connections of the running loop."""
        await self._sender.close()

    async def _plain(self, request: ChatRequest) -> ChatReply:
        try:
            return await self._asked(request, None)
        except UnsupportedError as unsupported:
            raise unsupported.error from unsupported

    @abstractmethod
    async def _asked(self, request: ChatRequest, form: Form | None) -> ChatReply:
        """Ask in one form; None where the request has one only.

        Raises:
            UnsupportedError: the endpoint cannot do what the form asks for.
        """
