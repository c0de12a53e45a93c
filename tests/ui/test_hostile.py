"""Texts that want to be more than texts: on every page they are shown, and nothing else happens."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser

from keepstone.server.access import ROOT_TENANT
from tests.server.serving import Serving, serving
from tests.ui.browsing import looking

PAYLOADS = (
    "<script>window.owned=1</script>",
    "<img src=x onerror=window.owned=1>",
    "<svg/onload=window.owned=1>",
    '"><script>window.owned=1</script>',
    "' autofocus onfocus=window.owned=1 x='",
    '" hx-get="/ui/overview" hx-trigger="load" x="',
    "<div hx-on:load='window.owned=1' x-data x-init='window.owned=1'>",
    "</textarea></title></style><script>window.owned=1</script>",
    "javascript:window.owned=1",
    "<a href='javascript:window.owned=1'>click</a>",
    "<iframe srcdoc='<script>parent.owned=1</script>'></iframe>",
    "<base href='https://evil.example/'><link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "{{ 7 * 7 }} {% include 'login.html' %} ${7 * 7} <%= 7 * 7 %>",
    "&lt;script&gt;window.owned=1&lt;/script&gt;",
    "\u202eevil\u202c\u2067turned\u2069 \u200bzero\u200b \ufeffmark \x1b[31mred \x07bell",
    "ＭＩＸＥＤ <ſcript>window.owned=1</ſcript> \u2028window.owned=1\u2029",
)
USER = '"><img src=x onerror=window.owned=1>'


@pytest.fixture(scope="module")
def hostile() -> Iterator[Serving]:
    with serving() as server:
        memory = server.service.memory_of(ROOT_TENANT)
        for text in PAYLOADS:
            message = {"role": "user", "content": text, "name": "".join(c for c in text if c >= " ")[:60]}
            server.run(memory.add([message], user_id=USER, infer=False))
        first = server.run(memory.get_all(user_id=USER)).items[0]
        server.run(memory.update(first.id, text=PAYLOADS[1], reason=PAYLOADS[0]))
        yield server


def test_nothing_of_a_text_is_carried_out(browser: Browser, hostile: Serving) -> None:
    memory = hostile.service.memory_of(ROOT_TENANT)
    first = hostile.run(memory.get_all(user_id=USER)).items[0]
    change = hostile.run(memory.history(first.id))[-1]
    user, payload = quote(USER), quote(PAYLOADS[0])
    key = hostile.key(name=PAYLOADS[1])
    with looking(browser, hostile) as looked:
        looked.log_in(key)
        for path in (
            "/ui/overview",
            f"/ui/overview?prefix={user}&cursor=",
            f"/ui/memories?user_id={user}",
            f"/ui/memories?user_id={user}&q={payload}",
            f"/ui/time?user_id={user}",
            f"/ui/time/memories/{first.id}",
            f"/ui/time/undo/{change.id}",
            f"/ui/search?user_id={user}&query=window+owned+script&limit=30&trace=1&format=xml",
            f"/ui/search?user_id={user}&query={payload}&expect={first.id}",
            f"/ui/conversations?user_id={user}",
            f"/ui/conversations/said?user_id={user}",
            f"/ui/memories/{first.id}/sources",
            f"/ui/entities?user_id={user}&name={payload}",
            f"/ui/running?user_id={user}&done={payload}",
            f"/ui/running/jobs/{payload}",
            "/ui/running/webhooks",
            f"/ui/running/keys?done={payload}",
            f"/ui/running/audit?key_id={payload}",
            f"/ui/erase?user_id={user}",
            f"/ui/login?next={payload}",
            f"/ui/{payload}",
        ):
            page = looked.go(path)
            assert page.evaluate("window.owned") is None, path
            assert page.url.startswith(hostile.url), path
            body = page.locator("body").inner_text()
            assert "49" not in body.replace(first.id, "").replace(change.id, "").split(), path
        looked.check(but="404")
    assert "onerror" in USER


def test_texts_are_shown_as_they_are(browser: Browser, hostile: Serving) -> None:
    with looking(browser, hostile) as looked:
        looked.log_in()
        page = looked.go(f"/ui/memories?user_id={quote(USER)}")
        shown = page.locator("#list").inner_text()
        for text in PAYLOADS[1:15]:
            assert text in shown
        assert "U+202E" in shown
        assert "\u202e" not in shown
        assert "U+001B" in shown
