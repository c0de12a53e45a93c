"""From a memory to what was said and back, conversations as they were said, and nothing of what is hidden."""

import re

from playwright.sync_api import Browser, expect

from keepstone.control import Role
from keepstone.results import AddResult
from keepstone.server.access import ROOT_TENANT
from keepstone.testing._script import Script
from keepstone.types import Scope
from tests.server.serving import Serving
from tests.ui.browsing import looking
from tests.ui.demo import STUDIO
from tests.ui.forms import logged_in


def said(server: Serving, user: str, *texts: str, run_id: str | None = None) -> AddResult:
    """Let a user say texts in one conversation."""
    memory = server.service.memory_of(ROOT_TENANT)
    result: AddResult = server.run(
        memory.add([{"content": t} for t in texts], user_id=user, run_id=run_id, infer=False)
    )
    return result


def test_from_a_memory_to_its_message_to_another_memory_and_back(browser: Browser, demo: Serving) -> None:
    with looking(browser, demo, scripts=False) as looked:
        looked.log_in()
        page = looked.page
        page.goto(f"{demo.url}/ui/memories?user_id=maya&q=bicycle+studio&kind=fact")
        page.locator("#list li", has_text=STUDIO).get_by_role("link", name="sources").click()
        source = page.locator(".said.source")
        expect(source).to_contain_text("I moved my bicycle out of the cellar into the studio.")
        source.locator("a", has_text="I moved my bicycle").click()
        expect(page.locator("main > .card .text").first).to_contain_text("I moved my bicycle")
        page.get_by_role("link", name="The whole conversation").click()
        assert "/ui/conversations/said?" in page.url
        page.locator(".said summary").click()
        page.locator(".said a", has_text=STUDIO).click()
        expect(page.locator("main > .card .text").first).to_contain_text(STUDIO)
        looked.check()


def test_neighbours_are_shown_as_far_as_was_asked(server: Serving) -> None:
    made = said(server, "nia", *(f"Sentence {n} of a talk." for n in range(12)), run_id="talk")
    id = made.memories[6].id
    with logged_in(server) as session:
        near, far = (session.get(f"/ui/memories/{id}/sources?around={n}").text for n in (1, 100))
    assert re.findall(r"Sentence (\d+) of", near.partition("<ol")[2].partition("</ol>")[0])[::2] == ["5", "6", "7"]
    assert all(f"Sentence {n} of" in far for n in range(12))
    assert near.count('class="said source"') == 1


def test_what_was_taken_back_is_in_no_conversation(server: Serving) -> None:
    made = said(
        server, "olu", "The garden has roses.", "The safe opens with 4711.", "The cat is called Miso.", run_id="r"
    )
    server.run(server.service.memory_of(ROOT_TENANT).delete(made.memories[1].id))
    with logged_in(server) as session:
        for path in (
            "/ui/conversations/said?user_id=olu",
            "/ui/conversations/said?user_id=olu&run_id=r&order=newest",
            f"/ui/memories/{made.memories[0].id}/sources?around=9",
        ):
            page = session.get(path).text
            assert "Miso" in page
            assert "4711" not in page
        assert session.get(f"/ui/memories/{made.memories[1].id}/sources").status_code == 404


def test_derivations_are_shown_both_ways_and_what_fell_is_counted(server: Serving) -> None:
    first, second = (said(server, "pia", text).memories[0] for text in ("I row on Mondays.", "I swim on Fridays."))
    script = Script(Scope(user_id="pia"), space=None, seed=5)
    fact = script.fact("Pia trains twice a week.", derived_from=(first.id, second.id))
    server.run(server.service.store.apply(script.batch(fact)))
    made = fact.memory.id
    with logged_in(server) as session:
        resting = session.get(f"/ui/memories/{made}/sources").text
        assert "I row on Mondays." in resting
        assert "I swim on Fridays." in resting
        assert "No message is behind this memory." in resting
        assert "Pia trains twice a week." in session.get(f"/ui/memories/{first.id}/sources").text
        server.run(server.service.memory_of(ROOT_TENANT).delete(second.id))
        fallen = session.get(f"/ui/memories/{made}/sources").text
    assert "I swim on Fridays." not in fallen
    assert "Not shown, since taken back or erased: 1." in fallen
    assert "Some of what it rests on fell." in fallen


def test_callers_ids_of_two_owners_are_not_mixed_up(server: Serving) -> None:
    memory = server.service.memory_of(ROOT_TENANT)
    for user, text in (("quin", "Quin likes plums."), ("ravi", "Ravi likes pears.")):
        server.run(memory.add([{"id": "m-1", "content": text}], user_id=user, agent_id="shared", infer=False))
    with logged_in(server) as session:
        page = session.get("/ui/conversations/said?agent_id=shared").text
    items = page.split('<li id="m-')[1:]
    assert len(items) == 2
    for own, other in (("plums", "pears"), ("pears", "plums")):
        item = next(i for i in items if own in i)
        assert item.count(own) == 2
        assert other not in item


def test_conversations_and_transcripts_come_in_pages(server: Serving) -> None:
    for n in range(60):
        said(server, "sven", f"Opening words {n}.", run_id=f"run-{n:02}")
    with logged_in(server) as session:
        for path, pattern in (
            ("/ui/conversations?user_id=sven", r"run_id=run-(\d+)"),
            ("/ui/conversations/said?user_id=sven", r'<div class="text"><bdi>Opening words (\d+)\.'),
        ):
            first = session.get(path).text
            following = re.search(r'rel="next" href="([^"]+)"', first)
            assert following is not None
            second = session.get(following[1].replace("&amp;", "&")).text
            found = [re.findall(pattern, page) for page in (first, second)]
            assert [len(f) for f in found] == [50, 10]
            assert {int(n) for f in found for n in f} == set(range(60))
            assert 'rel="next"' not in second


def test_a_pinned_key_sees_no_words_of_others(server: Serving) -> None:
    own, foreign = said(server, "tess", "Tess bakes bread.").memories[0], said(server, "ugo", "Ugo fishes.").memories[0]
    with logged_in(server, server.key(Role.READ, user_id="tess")) as session:
        assert "Tess bakes bread." in session.get(f"/ui/memories/{own.id}/sources").text
        assert session.get(f"/ui/memories/{foreign.id}/sources").status_code == 404
        assert session.get("/ui/conversations?user_id=ugo").status_code == 403
        assert session.get("/ui/conversations/said?user_id=ugo").status_code == 403
        for path in ("/ui/conversations", "/ui/conversations/said"):
            page = session.get(path).text
            assert "tess" in page
            assert "ugo" not in page.lower()
