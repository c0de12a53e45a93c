"""Taking changes back from the screen: with a question before, and with what stands against it."""

from playwright.sync_api import Browser

from keepstone.control import Role
from keepstone.server.access import ROOT_TENANT
from tests.server.serving import Serving
from tests.ui.browsing import looking


def changed(server: Serving, user: str) -> str:
    """Add a memory and give it two further texts; return its id."""
    memory = server.service.memory_of(ROOT_TENANT)
    made = server.run(memory.add("I drink tea.", user_id=user, infer=False)).memories[0]
    server.run(memory.update(made.id, text="I drink green tea."))
    server.run(memory.update(made.id, text="I drink green tea with milk."))
    return str(made.id)


def text_of(server: Serving, id: str) -> str:
    return str(server.run(server.service.memory_of(ROOT_TENANT).get(id)).text)


def test_a_change_is_taken_back_after_a_question(browser: Browser, server: Serving) -> None:
    id = changed(server, "ann")
    with looking(browser, server) as looked:
        looked.log_in()
        page = looked.go(f"/ui/time/memories/{id}")
        page.click(".timeline li:first-child a[href*=undo]")
        assert text_of(server, id) == "I drink green tea with milk."
        page.click("button.primary")
        page.wait_for_selector(".notice.good")
        assert text_of(server, id) == "I drink green tea."
        looked.check()


def test_what_stands_against_it_is_shown_and_goes_with_it(browser: Browser, server: Serving) -> None:
    id = changed(server, "ben")
    with looking(browser, server) as looked:
        looked.log_in()
        page = looked.go(f"/ui/time/memories/{id}")
        page.click(".timeline li:nth-child(2) a[href*=undo]")
        page.click("button.primary")
        page.wait_for_selector("[role=alert]")
        assert "with milk" in page.locator(".timeline").first.inner_text()
        assert text_of(server, id) == "I drink green tea with milk."
        assert looked.inaccessible() == []
        page.click("button.danger")
        page.wait_for_selector(".notice.good")
        assert text_of(server, id) == "I drink tea."
        looked.check(but="409")


def test_a_key_that_reads_takes_nothing_back(browser: Browser, server: Serving) -> None:
    id = changed(server, "cai")
    change = server.run(server.service.memory_of(ROOT_TENANT).history(id))[-1]
    with looking(browser, server) as looked:
        looked.log_in(server.key(Role.READ))
        page = looked.go(f"/ui/time/memories/{id}")
        assert page.locator("a[href*=undo]").count() == 0
        assert page.goto(f"{server.url}/ui/time/undo/{change.id}").status == 403  # type: ignore[union-attr]


def test_a_pinned_key_finds_only_its_own(browser: Browser, server: Serving) -> None:
    own, foreign = changed(server, "dora"), changed(server, "emil")
    change = server.run(server.service.memory_of(ROOT_TENANT).history(foreign))[-1]
    with looking(browser, server) as looked:
        looked.log_in(server.key(Role.WRITE, user_id="dora"))
        page = looked.page
        expected = {
            f"/ui/time/memories/{own}": 200,
            f"/ui/time/memories/{foreign}": 404,
            f"/ui/time/undo/{change.id}": 404,
            "/ui/memories?user_id=emil": 403,
            "/ui/overview": 403,
            "/ui/time?user_id=emil": 403,
            "/ui/search?user_id=emil&query=tea": 403,
        }
        for path, status in expected.items():
            answer = page.goto(server.url + path)
            assert answer is not None
            assert answer.status == status, path
            assert "emil" not in page.locator("main").inner_text()
        page.goto(f"{server.url}/ui/search?query=tea&all_scopes=1")
        assert "green tea" in page.locator(".hits").inner_text()
        assert page.locator("[name=user_id]").input_value() == "dora"
