"""Every page in a real browser: both languages, both colour schemes, by keyboard, and without scripts."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.server.serving import Serving
from tests.ui.browsing import NARROW, OF_WORDS_AND_COLOURS, WIDE, Scheme, looking
from tests.ui.screenshots import pages

expect.set_options(timeout=30_000)


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("zh", "dark")])
def test_pages_are_sound_accessible_and_fit_a_telephone(
    browser: Browser, demo: Serving, language: str, scheme: Scheme
) -> None:
    # All else is the same page in other words and colours.
    rules = () if language == "en" else OF_WORDS_AND_COLOURS
    with looking(browser, demo, language=language, scheme=scheme) as looked:
        looked.go("/ui/login")
        assert looked.inaccessible() == []
        looked.log_in()
        for name, path in pages(demo).items():
            page = looked.go(path)
            assert page.locator("html").get_attribute("lang") == language
            assert looked.inaccessible(rules) == [], name
            assert looked.overflow() == 0, name
            page.set_viewport_size(NARROW)
            assert looked.overflow() == 0, name
            page.set_viewport_size(WIDE)
        looked.check(but="404")


def test_logging_in_and_searching_by_keyboard(browser: Browser, demo: Serving) -> None:
    with looking(browser, demo) as looked:
        page = looked.go("/ui/login")
        press_to(page, "key")
        page.keyboard.type(demo.secret)
        page.keyboard.press("Enter")
        page.wait_for_url("**/ui/overview")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"
        looked.go("/ui/search?user_id=maya")
        press_to(page, "query")
        page.keyboard.type("Where is the bicycle?")
        page.keyboard.press("Enter")
        page.wait_for_selector(".hits li")
        assert "studio" in page.locator(".hits li").first.inner_text()
        assert "query=Where" in page.url
        looked.check()


def press_to(page: Page, name: str) -> None:
    """Press Tab until the field has the focus."""
    for _ in range(40):
        if page.evaluate("document.activeElement.name ?? ''") == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {name}")


def test_owners_and_memories_are_found_as_one_types(browser: Browser, demo: Serving) -> None:
    with looking(browser, demo, language="zh") as looked:
        looked.log_in()
        page = looked.go("/ui/overview")
        page.fill("[name=prefix]", "陈")
        expect(page.locator("#owners tbody tr")).to_have_count(1)
        page.click("#owners tbody a >> nth=0")
        page.wait_for_selector("#list .memories")
        page.fill("#q", "吉他")
        expect(page.locator("#list .memories li .text").first).to_contain_text("吉他")
        assert "q=" in page.url
        looked.check()


def test_the_slider_shows_what_held(browser: Browser, demo: Serving) -> None:
    with looking(browser, demo) as looked:
        looked.log_in()
        page = looked.go("/ui/time?user_id=maya")
        slider = page.locator(".slider").first
        slider.focus()
        page.keyboard.press("Home")
        for _ in range(5):
            page.keyboard.press("ArrowRight")
        expect(page.locator("#held h2")).to_contain_text("2026-05-27")
        held = page.locator("#held").inner_text()
        assert "cellar" in held
        assert "studio" not in held
        assert slider.get_attribute("aria-valuetext") == "2026-05-27"
        looked.check()


def test_a_server_that_is_gone_is_told(browser: Browser, demo: Serving) -> None:
    with looking(browser, demo) as looked:
        looked.log_in()
        page = looked.go("/ui/memories?user_id=maya")
        expect(page.locator("#offline")).to_be_hidden()
        page.route("**/ui/memories*", lambda route: route.abort())
        page.fill("#q", "coffee")
        expect(page.locator("#offline")).to_be_visible()
        page.unroute("**/ui/memories*")
        page.fill("#q", "bicycle")
        expect(page.locator("#list .text").first).to_contain_text("bicycle")
        expect(page.locator("#offline")).to_be_hidden()


def test_the_chart_is_drawn_and_told_as_a_table(browser: Browser, demo: Serving) -> None:
    with looking(browser, demo) as looked:
        looked.log_in()
        page = looked.go("/ui/overview")
        page.wait_for_selector(".chart canvas")
        drawn = "[...document.querySelector('.chart canvas').getContext('2d').getImageData(60, 10, 600, 150).data]"
        assert page.evaluate(f"{drawn}.some((value) => value > 0)")
        page.click("details summary")
        assert page.locator("details tbody tr").count() > 10
        looked.check()


def test_colours_and_language_are_kept(browser: Browser, demo: Serving) -> None:
    with looking(browser, demo) as looked:
        looked.log_in()
        page = looked.go("/ui/memories?user_id=maya")
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.click("button[name=theme][value=dark]")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
        assert page.url.endswith("/ui/memories?user_id=maya")
        page.click("button[name=language][value=zh]")
        assert page.locator("h1").inner_text() == "记忆"
        looked.check()


def test_everything_works_without_scripts(browser: Browser, demo: Serving) -> None:
    with looking(browser, demo, scripts=False) as looked:
        looked.log_in()
        page = looked.page
        page.goto(f"{demo.url}/ui/memories?user_id=maya")
        page.fill("#q", "coffee")
        page.click("main form button.primary")
        assert "coffee" in page.locator("#list .text").first.inner_text()
        page.goto(f"{demo.url}/ui/time?user_id=maya")
        page.fill("[name=as_of]", "2026-05-27")
        page.click("main form button.primary")
        assert "cellar" in page.locator("#held").inner_text()
        assert not page.locator(".slider").first.is_visible()
        looked.check()
