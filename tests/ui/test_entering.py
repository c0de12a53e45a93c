"""Logging in: what a session is good for, what ends it, and what a form must bring along."""

import re
from datetime import timedelta

import httpx2
import pytest

from keepstone.control import Role
from tests.server.serving import Serving, serving


def browser(server: Serving) -> httpx2.Client:
    """A client that keeps cookies and, like a browser, sends no key of its own."""
    return server.client("")


def log_in(client: httpx2.Client, secret: str, **more: str) -> httpx2.Response:
    return client.post("/ui/login", data={"key": secret, **more})


def token_in(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def test_who_is_not_logged_in_is_sent_to_log_in_and_comes_back(server: Serving) -> None:
    with browser(server) as client:
        sent = client.get("/ui/memories?user_id=alice")
        assert sent.status_code == 303
        assert sent.headers["location"] == "/ui/login?next=%2Fui%2Fmemories%3Fuser_id%3Dalice"
        assert 'value="/ui/memories?user_id=alice"' in client.get(sent.headers["location"]).text
        entered = log_in(client, server.secret, next="/ui/memories?user_id=alice")
        assert (entered.status_code, entered.headers["location"]) == (303, "/ui/memories?user_id=alice")
        assert client.get("/ui/memories").status_code == 200


def test_a_key_in_a_header_opens_no_page(server: Serving) -> None:
    with server.client() as client:
        assert client.get("/ui/memories").status_code == 303


def test_a_wrong_key_is_refused_without_being_repeated(server: Serving) -> None:
    with browser(server) as client:
        for wrong in ("", "ks_wrong", server.secret[:-1], "x" * 5000):
            refused = log_in(client, wrong)
            assert refused.status_code == 401
            assert "set-cookie" not in refused.headers
            assert not wrong or wrong not in refused.text


def test_the_cookie_is_out_of_the_reach_of_scripts_and_other_sites(server: Serving) -> None:
    with browser(server) as client:
        cookie = log_in(client, server.secret).headers["set-cookie"]
    assert {p.strip().lower() for p in cookie.split(";")[1:]} >= {"httponly", "samesite=strict", "path=/ui"}
    assert "secure" not in cookie.lower()
    with serving(tls_terminated=True) as behind_tls, browser(behind_tls) as client:
        assert "secure" in log_in(client, behind_tls.secret).headers["set-cookie"].lower()


@pytest.mark.parametrize("given", ["https://evil.example/", "//evil.example/ui/", "/ui/..\\evil", "/api/v1", "/ui//x"])
def test_logging_in_leads_nowhere_else(server: Serving, given: str) -> None:
    with browser(server) as client:
        assert log_in(client, server.secret, next=given).headers["location"] == "/ui/"


def test_a_session_ends_with_logging_out(server: Serving) -> None:
    with browser(server) as client:
        log_in(client, server.secret)
        kept = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        token = token_in(client.get("/ui/memories").text)
        assert client.post("/ui/logout", data={"csrf_token": token}).headers["location"] == "/ui/login"
        assert not client.cookies
        assert client.get("/ui/memories", headers={"Cookie": kept}).status_code == 303


def test_a_session_ends_with_its_key(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = server.service.clock() + timedelta(hours=1)
    _, secret = server.run(server.service.keys.create("", "short", Role.READ, expires_at=ends))
    with browser(server) as client:
        log_in(client, secret)
        assert client.get("/ui/memories").status_code == 200
        monkeypatch.setattr(server.service, "clock", lambda: ends)
        assert client.get("/ui/memories").status_code == 303


def test_a_session_ends_with_its_time(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    with browser(server) as client:
        log_in(client, server.secret)
        ends = server.service.clock() + timedelta(seconds=server.service.settings.session_seconds)
        monkeypatch.setattr(server.service, "clock", lambda: ends - timedelta(minutes=1))
        assert client.get("/ui/memories").status_code == 200
        monkeypatch.setattr(server.service, "clock", lambda: ends)
        assert client.get("/ui/memories").status_code == 303


def test_a_form_needs_the_token_of_its_session(server: Serving) -> None:
    with browser(server) as client, browser(server) as other:
        log_in(client, server.secret)
        log_in(other, server.secret)
        foreign = token_in(other.get("/ui/memories").text)
        for data in ({}, {"csrf_token": ""}, {"csrf_token": foreign}):
            assert client.post("/ui/logout", data=data).status_code == 403
        assert client.post("/ui/logout", headers={"X-CSRF-Token": foreign}).status_code == 403
        assert client.get("/ui/memories").status_code == 200
        own = token_in(client.get("/ui/memories").text)
        assert client.post("/ui/logout", headers={"X-CSRF-Token": own}).status_code == 303


def test_forms_of_other_sites_are_refused(server: Serving) -> None:
    with browser(server) as client:
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
            refused = client.post("/ui/login", data={"key": server.secret}, headers=headers)
            assert refused.status_code == 403
            assert "set-cookie" not in refused.headers
        elsewhere = client.post("/ui/login", data={"key": server.secret}, headers={"Origin": "http://127.0.0.1:1"})
        assert elsewhere.status_code == 403


def test_every_answer_has_the_policy(server: Serving) -> None:
    with browser(server) as client:
        pages = [client.get("/ui/login"), client.get("/ui/memories")]
        log_in(client, server.secret)
        pages += [client.get("/ui/memories"), client.get("/ui/nothing-here"), client.get("/ui/static/0/app.css")]
    for page in pages:
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["cache-control"] == "no-store"
    assert [p.status_code for p in pages] == [200, 303, 200, 404, 404]
    assert all("text/html" in p.headers["content-type"] for p in pages if p.status_code != 303)


def test_a_key_sees_the_pages_that_it_may_see(server: Serving) -> None:
    with browser(server) as client:
        log_in(client, server.key("read", user_id="alice"))
        assert client.get("/ui/").headers["location"] == "/ui/memories"
        page = client.get("/ui/memories").text
        assert "/ui/search" in page
        for hidden in ("overview", "erase"):
            assert f"/ui/{hidden}" not in page
            assert client.get(f"/ui/{hidden}").status_code == 403


def test_htmx_is_sent_to_log_in_as_a_whole_page(server: Serving) -> None:
    with browser(server) as client:
        answer = client.get("/ui/memories", headers={"HX-Request": "true"})
        assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/ui/login")


def test_the_language_is_the_chosen_one_else_that_of_the_browser(server: Serving) -> None:
    with browser(server) as client:
        assert '<html lang="en"' in client.get("/ui/login").text
        assert (
            '<html lang="zh"' in client.get("/ui/login", headers={"Accept-Language": "fr, zh-CN;q=0.8, en;q=0.5"}).text
        )
        client.post("/ui/preferences", data={"language": "zh", "next": "/ui/login"})
        chosen = client.get("/ui/login", headers={"Accept-Language": "en"}).text
        assert '<html lang="zh"' in chosen
        client.post("/ui/preferences", data={"theme": "dark", "language": "xx"})
        assert '<html lang="zh" data-theme="dark"' in client.get("/ui/login").text
