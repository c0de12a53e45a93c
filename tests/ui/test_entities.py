"""Entities: the graph and its bounds, the table that says the same, and merges that can be taken back."""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser, expect

from keepstone.control import Role
from keepstone.logic.entities import Registry
from keepstone.naming import Entity, Mention
from keepstone.server.access import ROOT_TENANT
from keepstone.server.ui.graphs import EDGES_MAX, beside, graph
from keepstone.testing._script import Script
from keepstone.types import Scope
from tests.server.serving import Serving, serving
from tests.ui.browsing import looking
from tests.ui.forms import logged_in

HOSTILE = "<img src=x onerror=window.owned=1>\u202e"
NAMED = (
    ("Ada met Lea in Oslo.", ("Ada", "Lea")),
    ("Ada wrote to Lea.", ("Ada", "Lea")),
    ("Lea and Ms Rask sing.", ("Lea", "Ms Rask")),
    ("Signe Rask plays the lute.", ("Signe Rask",)),
    ("A strange name.", (HOSTILE,)),
)


@pytest.fixture(scope="module")
def named() -> Iterator[Serving]:
    """A server with memories of two users that name people."""
    with serving() as server:
        for seed, user in enumerate(("vera", "wim"), 20):
            script = Script(Scope(user_id=user), space=None, seed=seed)
            facts = [
                script.fact(text, entities=tuple(Mention(name=name, kind="person") for name in names))
                for text, names in NAMED
            ]
            server.run(server.service.store.apply(script.batch(*facts)))
        yield server


def entity(server: Serving, name: str, user: str = "vera") -> Entity:
    every: list[Entity] = server.run(server.service.memory_of(ROOT_TENANT).entities(user_id=user))
    return next(e for e in every if name in (e.name, *(m.name for m in e.merged)))


@given(st.lists(st.sets(st.integers(0, 30)), max_size=40), st.integers(1, 40))
def test_the_graph_has_the_most_mentioned_and_counts_what_one_memory_mentions(
    memories: list[set[int]], most: int
) -> None:
    mentioned = {str(n): {str(i) for i in ids} for n, ids in enumerate(memories)}
    counts = Counter(i for ids in mentioned.values() for i in ids)
    entities = [
        Entity(id=i, name=i, kind="thing", aliases=(), memories=n, scope=Scope()) for i, n in sorted(counts.items())
    ]
    found = graph(entities, mentioned, most=most)
    shown = [e.id for e in found.entities]
    assert len(shown) == min(most, len(entities))
    assert found.left_out == len(entities) - len(shown)
    assert all(counts[i] >= counts[e.id] for i in shown for e in entities if e.id not in shown)
    pairs = Counter(frozenset(p) for ids in mentioned.values() for p in combinations(ids & set(shown), 2))
    assert {frozenset((t.one, t.other)): t.memories for t in found.ties} == pairs
    assert all(beside(i, mentioned)[j] == n for (i, j), n in ((tuple(p), n) for p, n in pairs.items()))


def test_a_graph_is_bounded() -> None:
    entities = [Entity(id=str(n), name=str(n), kind="thing", aliases=(), memories=1, scope=Scope()) for n in range(300)]
    found = graph(entities, {"m": {e.id for e in entities}})
    assert (len(found.entities), found.left_out, len(found.ties)) == (200, 100, EDGES_MAX)
    assert found.ties_left_out == 200 * 199 // 2 - EDGES_MAX


def test_what_memories_mention_follows_merges(named: Serving) -> None:
    naming = named.run(named.service.store.naming(Scope(user_id="vera"), named.service.clock()))
    registry = Registry(naming)
    by_id = {e.id: e for e in registry.entities()}
    counted = Counter(i for ids in registry.mentioned().values() for i in ids)
    assert counted == {e.id: e.memories for e in by_id.values()}


def test_the_graph_is_drawn_and_leads_to_an_entity(browser: Browser, named: Serving) -> None:
    with looking(browser, named) as looked:
        looked.log_in()
        page = looked.go("/ui/entities?user_id=vera")
        page.wait_for_selector(".graph[data-drawn]")
        told = json.loads(page.locator(".graph").get_attribute("data-graph") or "")
        assert {label for _, label, *_ in told[0]} == {"Ada", "Lea", "Ms Rask", "Signe Rask", HOSTILE.rstrip("\u202e")}
        pixels = "[...document.querySelectorAll('.graph canvas')].map((c) => c.getContext('2d'))"
        drawn = f"{pixels}.some((c) => c.getImageData(0, 0, c.canvas.width, c.canvas.height).data.some((v) => v > 0))"
        assert page.evaluate(drawn)
        # Clicked in the middle of where the library says that it is, twice: its neighbours, then its page.
        place = page.evaluate(
            "(() => { const found = document.querySelector('.graph')._cyreg.cy.nodes('[label = \"Lea\"]');"
            " const at = found.renderedPosition(), box = document.querySelector('.graph').getBoundingClientRect();"
            " return [box.x + at.x, box.y + at.y]; })()"
        )
        page.mouse.click(*place)
        page.mouse.click(*place)
        page.wait_for_url("**/ui/entities/*?user_id=vera")
        assert page.locator("h1").inner_text() == "Lea"
        assert page.evaluate("window.owned") is None
        looked.check()


def test_names_are_merged_and_split_without_scripts_and_told_by_whom_and_why(browser: Browser, named: Serving) -> None:
    rask, signe = entity(named, "Ms Rask"), entity(named, "Signe Rask")
    with looking(browser, named, scripts=False) as looked:
        looked.log_in(named.key(Role.WRITE, name="librarian"))
        page = looked.page
        page.goto(f"{named.url}/ui/entities?user_id=vera")
        assert not page.locator(".graph").is_visible()
        page.get_by_role("link", name="Ms Rask").click()
        page.select_option("[name=into]", signe.id)
        page.fill("[name=reason]", "Signe said <so> herself.")
        page.click("button.primary")
        expect(page.locator(".notice.good")).to_be_visible()
        row = page.locator("tbody tr").first.inner_text()
        for told in ("Ms Rask", "key:librarian", "Signe said <so> herself."):
            assert told in row
        assert entity(named, "Signe Rask").memories == 2
        page.get_by_role("button", name="Split off").click()
        expect(page.locator(".notice.good")).to_be_visible()
        assert (entity(named, "Ms Rask").memories, entity(named, "Signe Rask").memories) == (1, 1)
        assert entity(named, "Ms Rask").id == rask.id
        looked.check()


def test_merging_needs_a_key_that_writes_and_the_same_owner(named: Serving) -> None:
    ada, lea, foreign = entity(named, "Ada"), entity(named, "Lea"), entity(named, "Ada", "wim")
    with logged_in(named, named.key(Role.READ)) as session:
        assert "Merge" not in session.get(f"/ui/entities/{ada.id}?user_id=vera").text
        assert session.send(f"/ui/entities/{ada.id}/merge", user_id="vera", into=lea.id).status_code == 403
    with logged_in(named) as session:
        assert session.send(f"/ui/entities/{ada.id}/merge", user_id="vera", into=foreign.id).status_code == 404
        assert session.send(f"/ui/entities/{ada.id}/merge", user_id="vera", into=ada.id).status_code == 400
        assert session.send(f"/ui/entities/{ada.id}/split", user_id="vera").status_code == 400
        assert session.client.post(f"/ui/entities/{ada.id}/merge", data={"into": lea.id}).status_code == 403
    with logged_in(named, named.key(Role.WRITE, user_id="vera")) as session:
        assert session.get(f"/ui/entities/{foreign.id}").status_code == 404
        assert session.get("/ui/entities?user_id=wim").status_code == 403
        assert "Ada" in session.get("/ui/entities").text
    assert not ada.merged


def test_names_are_looked_for_in_any_writing(named: Serving) -> None:
    with logged_in(named) as session:
        found = session.get("/ui/entities?user_id=vera&name=ＲＡＳＫ").text
        assert found.count('<tr id="entity-') == 2
        assert "Nothing is called that." in session.get("/ui/entities?user_id=vera&name=zz").text
        assert session.get("/ui/entities/0000?user_id=vera").status_code == 404
        assert session.get(f"/ui/entities/{entity(named, 'Ada').id}").status_code == 404
