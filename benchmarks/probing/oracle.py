"""What an answer may hold, and what must not differ."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import unquote

from benchmarks.probing.asking import Answer, ask, is_stranger
from benchmarks.probing.drawing import Drawing, Probe
from benchmarks.probing.world import World
from keepstone.types import Scope

# Where a stranger is told nothing: refused, sent to the login page, or told to slow down.
REFUSED = frozenset({303, 401, 429})
MARK = "zq"


@dataclass(slots=True)
class Found:
    """What came of probes: how many, by surface and status, and what is wrong."""

    probes: int = 0
    pairs: int = 0
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def tell(self) -> str:
        """Say it in a few lines."""
        surfaces = sorted({surface for surface, _ in self.answers})
        lines = [f"{self.probes} probes, {self.pairs} of them twice (foreign and unknown), {len(self.wrong)} wrong"]
        for surface in surfaces:
            of = {status: n for (s, status), n in sorted(self.answers.items()) if s == surface}
            lines.append(f"  {surface:9} " + ", ".join(f"{status}: {n}" for status, n in of.items()))
        return "\n".join(lines)


async def run(world: World, seed: int, count: int, *, until_wrong: bool = False) -> Found:
    """Ask *count* probes of a world, or until one shows a fault, and return what came of them."""
    drawing, found = Drawing(world, seed), Found()
    for number in range(count):
        if until_wrong and found.wrong:
            break
        probe = drawing.probe()
        answer = await ask(world, probe, number)
        found.probes += 1
        found.answers[probe.door.surface, answer.status] += 1
        found.wrong += [f"{_told(probe)}: {fault}" for fault in faults(world, probe, answer)]
        if probe.target and probe.is_foreign and _is_known(world, probe.target):
            found.pairs += 1
            unknown = probe.about(drawing.unknown())
            other = await ask(world, unknown, number)
            if answer.without(probe.target) != other.without(unknown.target):
                found.wrong.append(f"{_told(probe)}: a foreign id is told from an unknown one: {answer} {other}")
    found.wrong += await changed(world)
    return found


def faults(world: World, probe: Probe, answer: Answer) -> list[str]:
    """Return what is wrong with an answer."""
    wrong = []
    if answer.status >= 500 and not _is_stated(probe, answer):
        wrong.append(f"{answer.status} {answer.body[:300]}")
    # An id that leads to no route at all tells nothing of what there is.
    leads_nowhere = answer.status in (404, 405) and "/" in unquote(probe.target or "")
    is_refused = answer.status in REFUSED or leads_nowhere
    if is_stranger(probe) and not is_refused:
        wrong.append(f"a stranger was answered {answer.status}")
    if MARK not in answer.all:
        return wrong
    for word, secret in world.secrets.items():
        if word in answer.all and word not in probe.sent:
            if not secret.is_for(probe.asker):
                wrong.append(f"leak: {word} is of {secret.scope}")
            elif probe.narrow is not None and not _within(probe.narrow, secret.scope):
                wrong.append(f"leak: {word} is of {secret.scope}, and {probe.narrow} was asked for")
    return wrong


async def changed(world: World) -> list[str]:
    """Return what is not as it was: a memory that is gone, or that says what is of another one."""
    wrong = []
    there = {word for word, s in world.secrets.items() if not s.nobody and not s.of_tenant}
    for tenant in dict.fromkeys(s.scope.tenant for s in world.secrets.values()):
        page = await world.service.memory_of(tenant).get_all(all_scopes=True, limit=1_000)
        for record in page.items:
            said = f"{record.text} {record.metadata}"
            for word, secret in world.secrets.items():
                if word in said and secret.scope != record.scope:
                    wrong.append(f"{word} of {secret.scope} stands in a memory of {record.scope}")
        log = await world.service.catalogue.log(Scope(tenant=tenant), limit=1_000)
        there -= {w for w in there if any(w in f"{c.new_text}" for c in log.items)}
        # What the world did itself has no key as its actor.
        wrong += [f"{c.actor}: {c.action} of {c.memory_id}, {c.reason}" for c in log.items if c.actor != "server"]
    return wrong


def _within(narrow: Scope, of: Scope) -> bool:
    return narrow.tenant == of.tenant and narrow.sees(of)


def _is_stated(probe: Probe, answer: Answer) -> bool:
    """Whether an error of the server's side is one that says what is missing, as a chat model or what is behind."""
    if probe.door.surface == "proxy":
        return answer.status == 502
    return answer.status in (501, 502, 503) and "detail" in answer.body


def _is_known(world: World, id: str) -> bool:
    # Only ids of our own shape, so that an unknown one can stand in the same place.
    return len(id) == 36 and any(id == known for kind in world.ids.values() for known, _ in kind)


def _told(probe: Probe) -> str:
    body = "" if probe.body is None else f" {probe.body}"
    return f"{probe.asker.name} on {probe.door.surface}: {probe.door.method} {probe.path}?{probe.query}{body}"
