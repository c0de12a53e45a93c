"""What the address of a page asks for: whose memory, which of it, as of when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, TypedDict

from fastapi import Request

from keepstone.errors import InvalidRequestError
from keepstone.server.access import Principal, ScopeIds
from keepstone.server.native.asking import about
from keepstone.server.routing import principal_of
from keepstone.server.ui.forms import form, number, scope_ids
from keepstone.types import OWNER_KINDS, Kind, Scope

PAGE_ITEMS = 50
CURSOR_CHARS_MAX = 1_000
# What `keepstone.logic.text.language` tells.
LANGUAGES_OFFERED = ("en", "zh", "ja", "ko", "ru", "ar", "und")


class Standing(TypedDict):
    """Two parameters of the verbs that read."""

    include_superseded: bool
    include_expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The fields of an address, and the scope that they name within what the key may see."""

    fields: Mapping[str, str]
    ids: ScopeIds
    scope: Scope

    def text(self, name: str) -> str:
        """Return a field without the space around it, "" if it is not given."""
        return self.fields.get(name, "").strip()

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """Return a whole number, held between *least* and *most*."""
        return number(self.fields, name, default, least, most)

    @property
    def cursor(self) -> str | None:
        """Where the page begins."""
        return self.text("cursor")[:CURSOR_CHARS_MAX] or None

    @property
    def kinds(self) -> list[Kind] | None:
        """The kind of memories that is wanted, None for all."""
        kind = self.text("kind")
        return [Kind(kind)] if kind in list(Kind) else None

    @property
    def where(self) -> dict[str, Any] | None:
        """The filter that the fields come to."""
        language = self.text("language")
        return {"language": language} if language in LANGUAGES_OFFERED else None

    @property
    def standing(self) -> Standing:
        """Which memories count by how they stand: what is not current, and what has expired."""
        stand = self.text("stand")
        return Standing(include_superseded=stand != "current", include_expired=stand == "all")

    def end_of_day(self, name: str, now: datetime) -> datetime | None:
        """Return the end of the day (UTC) in a field, *now* at the latest; None if it is not given.

        Raises:
            InvalidRequestError: it is no day.
        """
        given = self.text(name)
        if not given:
            return None
        try:
            return min(datetime.combine(date.fromisoformat(given), time.max, UTC), now)
        except ValueError as error:
            raise InvalidRequestError(f"{name} is not a day as in 2026-06-18.") from error


def asked(request: Request) -> Asked:
    """Return what the address of *request* asks for, and enter into the audit whose memory it is about.

    Raises:
        ForbiddenError: an id contradicts the pin of the key.
    """
    return _asked(request, dict(request.query_params))


async def told(request: Request) -> Asked:
    """Return what a form asks for, as `asked` does of an address.

    Raises:
        ForbiddenError: an id contradicts the pin of the key.
        InvalidRequestError: it is no form.
    """
    return _asked(request, await form(request))


def within(scope: Scope, owner: Scope) -> Scope:
    """Return what *scope* sees of the owner of a scope that it sees."""
    return Scope(
        tenant=scope.tenant,
        **{f"{k}_id": i or j for k, i, j in zip(OWNER_KINDS, scope.ids, owner.of_owner.ids, strict=True)},
    )


def _asked(request: Request, fields: Mapping[str, str]) -> Asked:
    who: Principal = principal_of(request)
    ids = about(request, who, scope_ids(fields))
    return Asked(fields=fields, ids=ids, scope=who.scope(**ids))
