"""Questions with expected memories of one's own store: the file that people write, checked as it is read.

A file is TOML: one `[scope]`, an optional `[defaults]`, and a `[[question]]` for each assertion. docs/evaluation.md
describes every key.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keepstone.errors import InvalidRequestError
from keepstone.types import Scope

SCOPE_KEYS = {"user": "user_id", "agent": "agent_id", "app": "app_id", "run": "run_id"}
SETTINGS = ("min_recall", "at_most_rank", "within_tokens", "max_score", "must_contain", "must_not_contain")
QUESTION_KEYS = frozenset({"question", "expect", "must_not_find", *SETTINGS})
RANK_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """What a search for `question` must give.

    At least `min_recall` (0 to 1) of the memories in `expect` (ids of memories or messages) are among the first
    `at_most_rank` hits, and, if `within_tokens` is given, among those that fit whole into so many tokens. All of
    `must_contain` stands in the texts of these hits, nothing of `must_not_contain` does, and no hit is one of
    `must_not_find`. `max_score` is the most that the first hit may score, for what the store cannot know.
    """

    question: str
    expect: tuple[str, ...] = ()
    must_not_find: tuple[str, ...] = ()
    min_recall: float = 1.0
    at_most_rank: int = 10
    within_tokens: int | None = None
    max_score: float | None = None
    must_contain: tuple[str, ...] = ()
    must_not_contain: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """True if nobody has filled in the question yet."""
        return not self.question.strip()

    @property
    def can_fail(self) -> bool:
        """True if it asks for anything."""
        return bool(
            self.expect
            or self.must_not_find
            or self.must_contain
            or self.must_not_contain
            or self.max_score is not None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionFile:
    """The scope whose memory is asked, the assertions in order, and the ids of memories not to propose again."""

    scope: Scope
    assertions: tuple[Assertion, ...]
    skip: tuple[str, ...] = ()

    @property
    def named(self) -> frozenset[str]:
        """The ids that the file speaks of in any way."""
        return frozenset(self.skip).union(*(a.expect + a.must_not_find for a in self.assertions))


def load(path: Path, defaults: Mapping[str, Any] | None = None) -> AssertionFile:
    """Return the assertions in the file *path*; *defaults* go before those of the file.

    Raises:
        InvalidRequestError: the file cannot be read, or a key is unknown, missing or of the wrong type.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{path} cannot be read: {error}.") from error
    try:
        return parse(text, defaults)
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{path}: {error}") from error


def parse(text: str, defaults: Mapping[str, Any] | None = None) -> AssertionFile:
    """Return the assertions in *text*; *defaults* go before those of the file.

    Raises:
        InvalidRequestError: as `load`.
    """
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidRequestError(f"not TOML: {error}.") from error
    _known(raw, {"scope", "defaults", "question", "skip"}, "the file")
    settings = _table(raw.get("defaults", {}), "[defaults]")
    _known(settings, set(SETTINGS), "[defaults]")
    settings = {**settings, **(defaults or {})}
    questions = raw.get("question", [])
    if not isinstance(questions, list):
        raise InvalidRequestError("questions are written as [[question]], with two brackets.")
    return AssertionFile(
        scope=_scope(_table(raw.get("scope"), "[scope]")),
        assertions=tuple(_assertion(q, settings, n) for n, q in enumerate(questions, start=1)),
        skip=_strings(raw, "skip", "the file"),
    )


def _assertion(given: object, defaults: Mapping[str, Any], number: int) -> Assertion:
    place = f"question {number}"
    raw = _table(given, place)
    _known(raw, set(QUESTION_KEYS), place)
    text = raw.get("question")
    if not isinstance(text, str):
        raise InvalidRequestError(f"{place} has no `question`.")
    merged = {**defaults, **raw}
    assertion = Assertion(
        question=text,
        expect=_strings(merged, "expect", place),
        must_not_find=_strings(merged, "must_not_find", place),
        min_recall=_share(merged, "min_recall", place, 1.0),
        at_most_rank=_count(merged, "at_most_rank", place, RANK_MAX) or 10,
        within_tokens=_count(merged, "within_tokens", place, None),
        max_score=_share(merged, "max_score", place, None),
        must_contain=_strings(merged, "must_contain", place),
        must_not_contain=_strings(merged, "must_not_contain", place),
    )
    if not assertion.is_open and not assertion.can_fail:
        raise InvalidRequestError(f"{place} asks for nothing: give it `expect`, `must_contain` or another condition.")
    return assertion


def _scope(raw: Mapping[str, Any]) -> Scope:
    _known(raw, set(SCOPE_KEYS), "[scope]")
    ids = {name: raw.get(key) for key, name in SCOPE_KEYS.items()}
    if not any(ids.values()) or not all(v is None or isinstance(v, str) for v in ids.values()):
        raise InvalidRequestError('[scope] says whose memory is asked, such as `user = "alice"`.')
    return Scope(user_id=ids["user_id"], agent_id=ids["agent_id"], app_id=ids["app_id"], run_id=ids["run_id"])


def _table(value: object, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidRequestError(f"{place} is missing or not a table.")
    return value


def _known(raw: Mapping[str, Any], names: set[str], place: str) -> None:
    if unknown := sorted(raw.keys() - names):
        raise InvalidRequestError(f"{place} has an unknown key {unknown[0]!r}; known: {', '.join(sorted(names))}.")


def _strings(raw: Mapping[str, Any], name: str, place: str) -> tuple[str, ...]:
    value = raw.get(name, [])
    if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
        raise InvalidRequestError(f"{place}: `{name}` is a list of strings.")
    return tuple(value)


def _share(raw: Mapping[str, Any], name: str, place: str, default: float | None) -> Any:
    value = raw.get(name, default)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidRequestError(f"{place}: `{name}` is a number from 0 to 1.")
    return float(value)


def _count(raw: Mapping[str, Any], name: str, place: str, most: int | None) -> int | None:
    value = raw.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1 or (most is not None and value > most):
        bound = "" if most is None else f" and at most {most}"
        raise InvalidRequestError(f"{place}: `{name}` is a whole number, at least 1{bound}.")
    return value
