"""A memory held to what one key may do: role and pin are checked under every surface, at the verb itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache, partial
from typing import Any, cast

from keepstone.drafts import Reextraction
from keepstone.memory import AsyncMemory
from keepstone.protocols import ChatModel
from keepstone.server.access import OPERATIONS, Principal
from keepstone.server.problems import ForbiddenError
from keepstone.types import OWNER_KINDS

_IDS = tuple(f"{kind}_id" for kind in OWNER_KINDS)


def permitted(memory: AsyncMemory, principal: Principal) -> AsyncMemory:
    """Return *memory* with the verbs that are operations, each held to the role and the pin of *principal*.

    Every other attribute but `chat_model` is missing. A verb raises ForbiddenError for a role too low and for an id
    that contradicts the pin; to a pinned key, `all_scopes` means all that its pin sees.
    """
    return cast(AsyncMemory, _Permitted(memory, principal))


class _Permitted:
    def __init__(self, memory: AsyncMemory, principal: Principal) -> None:
        self._memory, self._principal = memory, principal

    @property
    def chat_model(self) -> ChatModel | None:
        return self._memory.chat_model

    def __getattr__(self, verb: str) -> Any:
        method = getattr(AsyncMemory, verb, None)
        if verb not in OPERATIONS or not inspect.iscoroutinefunction(method):
            raise AttributeError(verb)
        return partial(self._do, verb, getattr(self._memory, verb))

    async def _do(self, verb: str, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
        principal = self._principal
        principal.check(verb)
        if _takes_scope(verb):
            options.update(principal.ids(**{name: options.get(name) for name in _IDS}))
            if principal.is_pinned and options.get("all_scopes"):
                options["all_scopes"] = False
        for drafted in args:
            if isinstance(drafted, Reextraction) and not principal.key.pin.sees(drafted.scope):
                raise ForbiddenError("This key is pinned to a scope, and the draft is of another.")
        return await method(*args, **options)


@cache
def _takes_scope(verb: str) -> bool:
    return "user_id" in inspect.signature(getattr(AsyncMemory, verb)).parameters
