"""What requests to forget mean, over small stores with the on-device embedder: retired, ranked lower, or left alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from keepstone import Memory
from keepstone.contract import EmbedderKey, Vector
from keepstone.embedders.local import LocalEmbedder
from keepstone.results import AddResult
from keepstone.testing import InMemoryStore
from keepstone.types import Action, Status

FOLDER = Path(__file__).parent / "resolution"
CHATTER = {
    "en": (
        "The bus was late again this morning.", "We painted the kitchen yellow.", "Pasta with lemon is lovely.",
        "The neighbours got a puppy.", "I finished the book about whales.", "It hailed during the concert.",
        "Our balcony is full of tomatoes.", "I repaired the zip of my jacket.", "The ferry smelled of diesel.",
    ),
    "zh": (
        "今天早上公交又晚点了。", "厨房刷成了黄色。", "柠檬意面真好吃。", "邻居养了一只小狗。",
        "我看完了那本讲鲸鱼的书。", "音乐会上下起了冰雹。", "阳台上全是西红柿。",
        "我把外套的拉链修好了。", "轮渡上一股柴油味。",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """One line of a table."""

    language: str
    outcome: str
    request: str
    meant: str
    others: tuple[str, ...]

    @property
    def said(self) -> list[str]:
        """What the user said before the request, in order."""
        return [*CHATTER[self.language], *([self.meant] if self.meant else []), *self.others]


def cases(outcome: str) -> list[Case]:
    made = []
    for language in ("en", "zh"):
        for line in (FOLDER / f"{language}.txt").read_text(encoding="utf-8").splitlines():
            kind, request, meant, others = (part.strip() for part in line.split("|"))
            if kind == outcome:
                made.append(Case(language, kind, request, meant, tuple(o.strip() for o in others.split(";"))))
    return made


class Remembering:
    """The on-device embedder, which embeds each text once: the small talk is the same everywhere."""

    def __init__(self) -> None:
        self._inner = LocalEmbedder()
        self._known: dict[tuple[str, str], Vector] = {}

    @property
    def key(self) -> EmbedderKey:
        return self._inner.key

    async def embed(self, texts: Sequence[str], kind: Literal["query", "document"]) -> list[Vector]:
        new = [t for t in dict.fromkeys(texts) if (kind, t) not in self._known]
        self._known |= {(kind, t): v for t, v in zip(new, await self._inner.embed(new, kind), strict=True)}
        return [self._known[kind, t] for t in texts]


@pytest.fixture(scope="module")
def local() -> Remembering:
    return Remembering()


@pytest.fixture
def memory(local: Remembering) -> Iterator[Memory]:
    with Memory(store=InMemoryStore(), embedder=local) as opened:
        yield opened


def ask(memory: Memory, case: Case) -> AddResult:
    memory.add([{"role": "user", "content": text} for text in case.said], user_id="ana", run_id="monday")
    return memory.add({"role": "user", "content": case.request, "id": "ask"}, user_id="ana", run_id="tuesday")


def current(memory: Memory) -> set[str]:
    return {r.text for r in memory.get_all(user_id="ana").items if r.status is Status.CURRENT}


@pytest.mark.parametrize("case", cases("retired"), ids=lambda c: c.request)
def test_one_that_stands_out_is_taken_back_and_nothing_else(memory: Memory, case: Case) -> None:
    result = ask(memory, case)
    assert [f.text for f in result.forgotten] == [case.meant]
    assert current(memory) == {*case.said, case.request} - {case.meant}


@pytest.mark.parametrize("case", cases("lowered"), ids=lambda c: c.request)
def test_one_that_is_likely_ranks_lower_and_is_suggested(memory: Memory, case: Case) -> None:
    result = ask(memory, case)
    assert result.forgotten == ()
    lowered = {s.text: s for s in result.suggestions if s.change_id is not None}
    assert {case.meant} <= set(lowered) <= {case.meant, *case.others}
    assert current(memory) == {*case.said, case.request} - set(lowered)
    hint = lowered[case.meant]
    assert hint.message_id == "ask"
    change = memory.history(hint.memory_id)[-1]
    assert (change.id, change.action, change.batch_id) == (hint.change_id, Action.SUPERSEDE, result.batch_id)
    assert change.reason == "may be what message ask asks to forget"
    memory.undo(change.id)
    assert case.meant in current(memory)


@pytest.mark.parametrize("case", cases("kept"), ids=lambda c: c.request)
def test_other_peoples_facts_stay_as_they_are(memory: Memory, case: Case) -> None:
    assert ask(memory, case).forgotten == ()
    assert current(memory) >= set(case.others)


@pytest.mark.parametrize("case", cases("near"), ids=lambda c: c.request)
def test_another_fact_nearby_is_never_taken_back(memory: Memory, case: Case) -> None:
    assert ask(memory, case).forgotten == ()
