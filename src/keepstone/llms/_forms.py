"""How JSON of a schema is asked for: in the strongest form that the endpoint knows, found once and remembered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from keepstone.chat import ChatReply, ChatRequest
from keepstone.errors import ProviderError
from keepstone.llms._calls import is_json, total

Form: TypeAlias = Literal["schema", "tool", "words"]


class UnsupportedError(Exception):
    """The endpoint cannot do what a form asks for; `error` is what to raise if no other form helps."""

    def __init__(self, error: ProviderError, attempts: int) -> None:
        self.error, self.attempts = error, attempts
        super().__init__(str(error))


class Forms:
    """The forms that an endpoint may still know, best first.

    A form is dropped once one after it gave what was asked for: because the endpoint refused it, or, before any
    answer was as it should be, because the endpoint ignored it and answered something else.
    """

    def __init__(self, forms: Sequence[Form]) -> None:
        self._forms = list(forms)
        self._is_proven = False

    @property
    def first(self) -> Form:
        """The form that the next request tries first."""
        return self._forms[0]

    async def shaped(self, request: ChatRequest, ask: Callable[[ChatRequest, Form], Awaitable[ChatReply]]) -> ChatReply:
        """Return the answer in the first form that works, with the tokens and the price of the ones before it.

        If none works but the endpoint answers, the first answer.

        Raises:
            ProviderError: *ask* raised it, or `UnsupportedError` for every form.
        """
        answers: list[ChatReply] = []
        failure: UnsupportedError | None = None
        attempts = 0
        for form in list(self._forms):
            try:
                reply = await ask(request, form)
            except UnsupportedError as unsupported:
                failure, attempts = failure or unsupported, attempts + unsupported.attempts
                continue
            attempts += reply.attempts
            answers.append(reply)
            # What was refused or cut says nothing against the form; nor does one bad answer in a form that works.
            if reply.finish != "stop" or is_json(reply.text):
                self._settle(form, is_json(reply.text))
                return _summed(reply, answers, attempts)
            if self._is_proven and form == self._forms[0]:
                break
        if failure is not None and not answers:
            raise failure.error from failure
        return _summed(answers[0], answers, attempts)

    def _settle(self, form: Form, is_proven: bool) -> None:
        # Another request may have dropped it meanwhile.
        if form in self._forms:
            self._forms = self._forms[self._forms.index(form) :]
            self._is_proven = self._is_proven or is_proven


def _summed(reply: ChatReply, paid: list[ChatReply], attempts: int) -> ChatReply:
    return replace(
        reply,
        input_tokens=total([r.input_tokens for r in paid]),
        output_tokens=total([r.output_tokens for r in paid]),
        price_usd=total([r.price_usd for r in paid]),
        attempts=attempts,
    )
