"""What runs: dead letters, webhooks, keys, audit and settings, looked at and changed from the screen."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, expect

from keepstone.chat import ChatReply, ChatRequest
from keepstone.control import Role, Tenant
from keepstone.results import JobStatus
from keepstone.server.access import ROOT_TENANT
from keepstone.server.configuring import configure
from keepstone.server.ui.settings import lines
from keepstone.testing import ScriptedChatModel
from tests.server.serving import Serving, serving
from tests.server.test_webhooks import Receiver
from tests.ui.browsing import looking
from tests.ui.forms import logged_in

BABBLE = 'Certainly! <script>window.owned=1</script> {"changes": ['
SECRET = re.compile(r'readonly value="((?:ks|whsec)_[^"]+)"')
PROXY_KEY = "sk-never-shown-to-anybody"


def babble(request: ChatRequest) -> ChatReply:
    return ChatReply(text=BABBLE, model="scripted")


@pytest.fixture(scope="module")
def running() -> Iterator[Serving]:
    """A server whose model never answers as it should, and that may send webhooks to this machine."""
    with serving(
        chat_model=ScriptedChatModel(babble), webhooks_to_private_hosts=True, proxy_key=PROXY_KEY, requests_a_minute=0
    ) as found:
        now = datetime.now(UTC)
        found.run(found.service.control.put_tenant(Tenant(id="acme", name="Acme 公司", created_at=now)))
        yield found


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


def dead_letter(server: Serving, user: str) -> JobStatus:
    memory = server.service.memory_of(ROOT_TENANT)
    server.run(memory.add("I collect lighthouses on stamps.", user_id=user, wait=20))
    found: list[JobStatus] = server.run(memory.jobs(user_id=user))
    assert [job.state for job in found] == ["dead"]
    return found[0]


def secret_in(page: str) -> str:
    found = SECRET.search(page)
    assert found is not None
    return found[1]


def test_a_dead_letter_is_looked_at_tried_again_and_given_up(browser: Browser, running: Serving) -> None:
    job = dead_letter(running, "xara")
    with looking(browser, running) as looked:
        looked.log_in()
        page = looked.go("/ui/running?user_id=xara&state=dead")
        page.click("tbody tr a")
        assert page.url.endswith(f"/ui/running/jobs/{job.id}?user_id=xara")
        main = page.locator("main")
        expect(main).to_contain_text(BABBLE)
        expect(main).to_contain_text("I collect lighthouses on stamps.")
        page.click("button.primary")
        expect(page.locator(".notice.good")).to_be_visible()
        # It is the same model, so that it fails again.
        running.run(running.service.memory_of(ROOT_TENANT).flush(20, user_id="xara"))
        assert [j.state for j in running.run(running.service.memory_of(ROOT_TENANT).jobs(user_id="xara"))] == ["dead"]
        page.goto(f"{running.url}/ui/running/jobs/{job.id}")
        page.click("details summary >> text=Give up")
        assert looked.inaccessible() == []
        page.click("button.danger")
        expect(page.locator(".notice.good")).to_be_visible()
        assert running.run(running.service.memory_of(ROOT_TENANT).jobs(user_id="xara")) == []
        assert page.evaluate("window.owned") is None
        looked.check()


def test_all_dead_letters_of_a_scope_and_no_others(running: Serving) -> None:
    for user in ("yuki", "zoe"):
        dead_letter(running, user)
    memory = running.service.memory_of(ROOT_TENANT)
    with logged_in(running, running.key(Role.WRITE, user_id="yuki")) as session:
        foreign = running.run(memory.jobs(user_id="zoe"))[0]
        assert session.get(f"/ui/running/jobs/{foreign.id}").status_code == 404
        for verb in ("retry", "discard"):
            assert session.send(f"/ui/running/jobs/{foreign.id}/{verb}").status_code == 404
        assert "zoe" not in session.get("/ui/running").text
        assert session.send("/ui/running/discard").status_code == 303
    assert running.run(memory.jobs(user_id="yuki")) == []
    assert [job.state for job in running.run(memory.jobs(user_id="zoe"))] == ["dead"]
    with logged_in(running, running.key(Role.READ)) as session:
        assert "/retry" not in session.get("/ui/running?user_id=zoe").text
        assert session.send("/ui/running/discard", user_id="zoe").status_code == 403


def test_a_webhook_from_making_to_removing(browser: Browser, running: Serving, receiver: Receiver) -> None:
    url = f"http://localhost:{receiver.port}/hook"
    with looking(browser, running) as looked:
        looked.log_in()
        page = looked.go("/ui/running/webhooks")
        page.fill("[name=url]", "https://user:word@example.com/")
        page.fill("[name=user_id]", "abel")
        page.click("button.primary")
        # Refused, and what was typed is still there.
        expect(page.locator("[role=alert]:not(#offline)")).to_contain_text("password")
        assert page.locator("[name=user_id]").input_value() == "abel"
        page.fill("[name=url]", url)
        page.click("button.primary")
        assert page.locator(".secret").input_value().startswith("whsec_")
        assert looked.inaccessible() == []
        page.get_by_role("button", name="Send a test").click()
        expect(page.locator(".notice.good")).to_contain_text("204")
        assert receiver.next()[2]["type"] == "test"
        assert page.locator(".secret").count() == 0
        running.run(running.service.memory_of(ROOT_TENANT).add("I keep hens.", user_id="abel", infer=False))
        running.loop.call_soon_threadsafe(running.service.dispatcher.grown)
        sent = receiver.next()[2]
        assert b"hens" not in sent["raw"]
        id = page.url.rstrip("/").split("/")[-2]
        page.goto(f"{running.url}/ui/running/webhooks/{id}")
        row = page.locator("tbody tr")
        for _ in range(100):
            if "HTTP 204" in row.first.inner_text():
                break
            page.wait_for_timeout(50)
            page.reload()
        row.get_by_role("button", name="Send again").click()
        assert receiver.next()[2]["data"]["sequence"] == sent["data"]["sequence"]
        page.click("summary >> text=Remove")
        page.click("button.danger")
        expect(page.locator(".empty")).to_be_visible()
        looked.check(but="400")


def test_changing_a_webhook_keeps_its_secret_unless_a_new_one_is_wanted(running: Serving) -> None:
    with logged_in(running) as session:
        made = session.send("/ui/running/webhooks", url="https://example.com/a", kind_changes="1", is_active="1")
        secret = secret_in(made.text)
        id = next(w.id for w in running.run(running.service.control.webhooks("")) if w.secret == secret)
        path = f"/ui/running/webhooks/{id}"
        kept = session.send(path, url="https://example.com/b", **{"kind_job.dead": "1"}, agent_id="bot")
        assert SECRET.search(kept.text) is None
        webhook = next(w for w in running.run(running.service.control.webhooks("")) if w.id == id)
        assert (webhook.url, webhook.kinds, webhook.is_active, webhook.pin.agent_id, webhook.secret) == (
            "https://example.com/b",
            ("job.dead",),
            False,
            "bot",
            secret,
        )
        renewed = secret_in(session.send(path, url="https://example.com/b", kind_changes="1", new_secret="1").text)
        assert renewed != secret
        assert session.send(path, url="https://example.com/b").status_code == 400
        assert secret not in session.get(path).text
        assert renewed not in session.get(path).text
        assert session.send(f"{path}/drop").status_code == 303
        assert session.get(path).status_code == 404
        assert session.send(f"{path}/deliveries/{id}/redeliver").status_code == 404


def test_a_key_is_made_used_rotated_and_revoked(browser: Browser, running: Serving) -> None:
    with looking(browser, running) as looked:
        looked.log_in()
        page = looked.go("/ui/running/keys")
        page.fill("form.row [name=name]", "reporting")
        page.fill("[name=user_id]", "abel")
        page.click("button.primary")
        secret = page.locator(".secret").input_value()
        assert looked.inaccessible() == []
        with running.client(secret) as client:
            told = client.get("/api/v1/whoami").json()
            assert client.get("/api/v1/memories?user_id=other").status_code == 403
        assert told["role"] == "read"
        page.goto(f"{running.url}/ui/running/keys")
        assert secret not in page.content()
        row = page.locator("tbody tr", has_text="reporting")
        row.locator("summary").click()
        row.locator("[name=overlap_seconds]").select_option("3600")
        row.get_by_role("button", name="Rotate").click()
        rotated = page.locator(".secret").input_value()
        for each in (secret, rotated):
            with running.client(each) as client:
                assert client.get("/api/v1/whoami").status_code == 200
        row = page.locator("tbody tr", has_text="reporting").last
        row.locator("summary").click()
        row.get_by_role("button", name="Revoke").click()
        expect(page.locator(".notice.good")).to_be_visible()
        with running.client(rotated) as client:
            assert client.get("/api/v1/whoami").status_code == 401
        looked.check()


def test_nobody_makes_or_sees_keys_beyond_the_own_tenant(running: Serving) -> None:
    acme = running.key(Role.ADMIN, tenant="acme", name="acme admin")
    own, _ = running.made_key(Role.READ, name="root reader")
    with logged_in(running, acme) as session:
        page = session.get("/ui/running/keys").text
        assert "acme admin" in page
        assert "root reader" not in page
        assert session.get("/ui/running/keys?tenant=").status_code == 403
        assert session.send("/ui/running/keys", name="x", role="read", tenant="").status_code == 403
        assert session.send(f"/ui/running/keys/{own.id}/revoke").status_code == 404
        assert session.send(f"/ui/running/keys/{own.id}/rotate").status_code == 404
        assert session.get("/ui/running/audit?tenant=").status_code == 403
        assert session.get("/ui/running/settings").status_code == 403
    for secret in (running.key(Role.WRITE), running.key(Role.ADMIN, user_id="abel")):
        with logged_in(running, secret) as session:
            for tab in ("webhooks", "keys", "audit", "settings"):
                assert session.get(f"/ui/running/{tab}").status_code == 403
            assert "/ui/running/keys" not in session.get("/ui/running").text
    with logged_in(running) as session:
        assert "Acme 公司" in session.get("/ui/running/keys?tenant=acme").text
        made = session.send("/ui/running/keys", name="for acme", role="write", tenant="acme")
        with running.client(secret_in(made.text)) as client:
            assert client.get("/api/v1/whoami").json()["tenant"] == "acme"


def test_wrong_fields_make_no_key(running: Serving) -> None:
    with logged_in(running) as session:
        for wrong in (
            {"name": ""},
            {"role": "owner"},
            {"expires": "2001-01-01"},
            {"expires": "soon"},
            {"user_id": "*"},
        ):
            refused = session.send("/ui/running/keys", **{"name": "wrong one", "role": "read", **wrong})
            assert refused.status_code == 400, wrong
            assert SECRET.search(refused.text) is None
    names = [k.name for k in running.run(running.service.control.keys("", limit=500)).items]
    assert "wrong one" not in names


def test_the_audit_is_filtered_and_paged_and_holds_no_words(running: Serving) -> None:
    secret = running.key(Role.WRITE, name="auditor's friend")
    with running.client(secret) as client:
        for n in range(60):
            client.post("/api/v1/memories", json={"messages": f"Secret words {n}.", "user_id": "kim", "infer": False})
        assert client.delete("/api/v1/keys/nobody").status_code == 403
    with logged_in(running) as session:
        first = session.get("/ui/running/audit?operation=add").text
        assert "auditor&#39;s friend" in first
        assert "Secret words" not in first
        assert first.count("<bdi>add</bdi>") == 50
        following = re.search(r'rel="next" href="([^"]+)"', first)
        assert following is not None
        assert session.get(following[1].replace("&amp;", "&")).text.count("<bdi>add</bdi>") >= 10
        refused = session.get("/ui/running/audit?operation=revoke_key").text
        assert '<span class="tag bad">403</span>' in refused
        assert "No entry is like that." in session.get("/ui/running/audit?until=2001-01-01").text
        assert session.get("/ui/running/audit?since=soon").status_code == 400


def test_settings_tell_where_they_come_from() -> None:
    configured = configure({"port": 0, "proxy_key": PROXY_KEY})
    by_name = {line.name: line for line in lines(configured.settings, configured.sources)}
    assert (by_name["port"].source, by_name["port"].value) == ("--port", "0")
    assert by_name["host"].source == "default"
    assert by_name["proxy_key"].value == "••••••"
    assert by_name["allowed_hosts"].value is None
    assert {line.source for line in lines(configured.settings, {})} == {None}


def test_settings_are_shown_and_secrets_are_not(running: Serving) -> None:
    with logged_in(running) as session:
        page = session.get("/ui/running/settings").text
    assert PROXY_KEY not in page
    assert "••••••" in page
    for told in ("requests_a_minute", "scripted", "hashing"):
        assert told in page
