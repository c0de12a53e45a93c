"""The pages in the order of the navigation, each with the operation that a key must be allowed to see it."""

from __future__ import annotations

from dataclasses import dataclass

from keepstone.server.access import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A page in the navigation; `name` is also its word in the dictionaries, as in `nav.overview`.

    With *scoped*, it shows one scope, which a link to it takes along.
    """

    name: str
    path: str
    operation: str
    scoped: bool = True


SECTIONS = (
    Section(name="overview", path="/ui/overview", operation="overview", scoped=False),
    Section(name="memories", path="/ui/memories", operation="get_all"),
    Section(name="time", path="/ui/time", operation="changes"),
    Section(name="search", path="/ui/search", operation="search"),
    Section(name="conversations", path="/ui/conversations", operation="conversations"),
    Section(name="entities", path="/ui/entities", operation="entities"),
    Section(name="running", path="/ui/running", operation="jobs", scoped=False),
    Section(name="erase", path="/ui/erase", operation="erase"),
)


def visible_to(principal: Principal) -> tuple[Section, ...]:
    """Return the pages that *principal* may see."""
    return tuple(s for s in SECTIONS if principal.may(s.operation))
