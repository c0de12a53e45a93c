"""What is evaluated: the whole product, or anybody's search, behind one interface."""

from __future__ import annotations

import importlib
import inspect
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Protocol

from keepstone import config, providers
from keepstone.blocking import Memory
from keepstone.contract import EmbedderKey, Vector
from keepstone.errors import InvalidRequestError
from keepstone.evaluation.pack import Record, conversations
from keepstone.evaluation.scoring import Found, said_by
from keepstone.limits import DEFAULT_LIMITS
from keepstone.logic.text import estimate_tokens, spoken
from keepstone.protocols import ChatModel, Embedder
from keepstone.results import AddResult
from keepstone.types import Hit, Kind

USER = "user"
# A trace costs more than a search, and a record has up to hundreds of misses.
TRACES_MAX = 25
LIMITS = replace(DEFAULT_LIMITS, hits_max=100_000)


class Retriever(Protocol):
    """Answers questions over one record."""

    def search(self, question: str, limit: int, at: datetime | None) -> Sequence[Found]:
        """Return up to *limit* hits, best first, for a question asked on the day *at*."""
        ...

    def context(self, question: str, max_tokens: int, at: datetime | None) -> str | None:
        """Return what a prompt would get within *max_tokens*; None if this retriever makes no contexts."""
        ...

    def trace(self, question: str, expected: str, at: datetime | None) -> str | None:
        """Return at which stage the turn *expected* was lost, for people; None if this retriever cannot tell."""
        ...

    def close(self) -> None:
        """Release what the record took."""
        ...


Factory = Callable[[Record], Retriever]


class StandingClock:
    """A clock that stands where it was put."""

    def __init__(self) -> None:
        self.now = config.utc_now()

    def __call__(self) -> datetime:
        """Return where it stands."""
        return self.now


SINGLE_PASS = "single_pass"


class LastQuery:
    """An embedder that keeps the vector of its last query: a search and the contexts after it embed it once."""

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self._last: tuple[str, list[Vector]] = ("", [])

    @property
    def key(self) -> EmbedderKey:
        """The space of its vectors, which is that of the embedder inside."""
        return self._inner.key

    async def embed(self, texts: Sequence[str], kind: Literal["query", "document"]) -> list[Vector]:
        """Return one unit vector a text."""
        if kind == "document" or len(texts) != 1:
            return await self._inner.embed(texts, kind)
        if self._last[0] != texts[0] or not self._last[1]:
            self._last = (texts[0], await self._inner.embed(texts, kind))
        return self._last[1]


def ingest(memory: Memory, clock: StandingClock, record: Record) -> Iterator[tuple[str, AddResult]]:
    """Add the sessions of *record* in order, with *clock* at the time of each; yield each one's id and what came of it.

    The messages keep the date of their session, turn ids are message ids, and each session is a run of USER.
    """
    for session, messages in conversations(record):
        if messages[0].timestamp is not None:
            clock.now = messages[0].timestamp
        yield session, memory.add(messages, user_id=USER, run_id=session)


class KeepstoneRetriever:
    """One record in a store of its own, in a temporary folder that goes with it.

    Turn ids are message ids, speakers are names, sessions are runs, and the clock stands at the time of the session. A
    question is asked at the end of its day. *embedder* is an object or a name; "none" is words alone. With a
    *chat_model*, what was said is distilled by that *strategy*; `added` is what came of each session.
    """

    def __init__(
        self,
        record: Record,
        embedder: Embedder | str | None = None,
        chat_model: ChatModel | None = None,
        strategy: str = SINGLE_PASS,
    ) -> None:
        folder = tempfile.TemporaryDirectory(prefix="keepstone-evaluation-", ignore_cleanup_errors=True)
        self._clock = StandingClock()
        path = Path(folder.name) / "memory.db"
        self.memory = Memory(
            path,
            embedder=embedder,
            # Nothing that the environment names may be asked, or paid.
            chat_model=chat_model or "none",
            strategy=strategy,
            clock=self._clock,
            limits=LIMITS,
            actor="evaluation",
        )
        self.close = weakref.finalize(self, _release, self.memory, folder)
        self._traces = 0
        self.added: tuple[AddResult, ...] = ()
        try:
            self.added = tuple(result for _, result in ingest(self.memory, self._clock, record))
        except BaseException:
            # Not an object yet, so nobody else can close it.
            self.close()
            raise

    @property
    def now(self) -> datetime:
        """The time at which a search is made."""
        return self._clock.now

    def search(self, question: str, limit: int, at: datetime | None = None) -> list[Found]:
        """Return the passages that matched, with their speakers in front."""
        self._stand(at)
        return [found(h) for h in self.memory.search(question, user_id=USER, limit=limit)]

    def context(self, question: str, max_tokens: int, at: datetime | None = None) -> str:
        """Return the context that the memory makes."""
        self._stand(at)
        # Counted as the evaluation counts, so that every system spends the same budget.
        return self.memory.context(question, user_id=USER, max_tokens=max_tokens, counter=estimate_tokens).text

    def trace(self, question: str, expected: str, at: datetime | None = None) -> str | None:
        """Return where the turn *expected* was lost, a line for each memory of it; None after TRACES_MAX traces."""
        if self._traces == TRACES_MAX:
            return None
        self._traces += 1
        self._stand(at)
        return "\n".join(map(str, self.memory.trace(question, expect=expected, user_id=USER).expected))

    def _stand(self, at: datetime | None) -> None:
        if at is not None:
            self._clock.now = at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def found(hit: Hit) -> Found:
    """Return a hit as it is scored; anything but an episode is distilled from its sources."""
    return Found(
        text=spoken(hit.memory.name, hit.passage),
        sources=hit.sources,
        score=hit.score,
        derived=hit.memory.kind is not Kind.EPISODE,
    )


def product(embedder: str | None = None) -> Factory:
    """Return a factory for the whole product with *embedder*, by name; all records share one.

    Raises:
        ConfigError: there is no such embedder.
    """
    shared = shared_embedder(embedder)
    return lambda record: KeepstoneRetriever(record, shared)


def shared_embedder(name: str | None) -> Embedder | str:
    """Return the embedder called *name*, by default the built-in choice, for the stores of many records.

    Raises:
        ConfigError: there is no such embedder.
    """
    made = providers.embedder(name)
    # The wrapper has no close(): the record that ends first must not close what the others use.
    return "none" if made is None else LastQuery(made)


def foreign(reference: str) -> Factory:
    """Return a factory for the retriever that *reference* names as `module:factory`, looked up from this folder.

    The factory gets a record as it stands in the pack and returns `search(question, k)`, or with a third parameter `at`
    (an ISO date or None). A hit is a turn id, or a mapping with `text`, `source` (turn ids), `score` and `derived`. If
    the search has an attribute `context(question, max_tokens)`, or with `at`, its text is scored too.

    Raises:
        InvalidRequestError: there is no such module or function.
    """
    name, _, attribute = reference.partition(":")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        make = getattr(importlib.import_module(name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidRequestError(f"{reference!r} is no module:factory that can be imported ({error}).") from error
    return lambda record: ForeignRetriever(make(record.raw), record)


class ForeignRetriever:
    """Somebody else's search over one record, as `foreign` describes it."""

    def __init__(self, search: Callable[..., Sequence[Any]], record: Record) -> None:
        self._search, self._said = search, said_by(record)
        self._takes_time = _takes_time(search)
        self._context: Callable[..., Any] | None = getattr(search, "context", None)

    def search(self, question: str, limit: int, at: datetime | None) -> list[Found]:
        """Return the hits of the search.

        Raises:
            InvalidRequestError: a hit has another form, or names a turn that the record does not have.
        """
        more = {"at": _day(at)} if self._takes_time else {}
        return [self._found(h) for h in self._search(question, limit, **more)]

    def context(self, question: str, max_tokens: int, at: datetime | None) -> str | None:
        """Return the text of the search's context; None if it has none."""
        if self._context is None:
            return None
        more = {"at": _day(at)} if _takes_time(self._context) else {}
        made = self._context(question, max_tokens, **more)
        return str(made["text"] if isinstance(made, Mapping) else made)

    def trace(self, question: str, expected: str, at: datetime | None) -> str | None:
        """Return None: a foreign search does not explain itself."""
        return None

    def close(self) -> None:
        """Nothing is held."""

    def _found(self, hit: Any) -> Found:
        if isinstance(hit, str):
            return Found(text=self._said[self._known(hit)], sources=(hit,), whole=True)
        if not isinstance(hit, Mapping) or not isinstance(hit.get("text"), str) or "source" not in hit:
            raise InvalidRequestError(f"A hit is a turn id, or a mapping with text and source, not {hit!r:.200}.")
        score = hit.get("score")
        return Found(
            text=hit["text"],
            sources=tuple(self._known(str(s)) for s in hit["source"]),
            score=None if score is None else float(score),
            derived=bool(hit.get("derived")),
            whole=bool(hit.get("whole")),
        )

    def _known(self, turn: str) -> str:
        if turn not in self._said:
            raise InvalidRequestError(f"A hit names a turn that the record does not have: {turn!r}.")
        return turn


def _takes_time(call: Callable[..., Any]) -> bool:
    return "at" in inspect.signature(call).parameters


def _day(at: datetime | None) -> str | None:
    return None if at is None else at.date().isoformat()


def _release(memory: Memory, folder: tempfile.TemporaryDirectory[str]) -> None:
    memory.close()
    folder.cleanup()
