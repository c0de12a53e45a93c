"""Erasing a user from the screen: what will go is shown, a word is typed, and the receipt is true."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from keepstone.control import Role
from keepstone.server.access import ROOT_TENANT
from keepstone.stores.sqlite import SqliteStore
from tests.server.serving import Serving, serving
from tests.ui.browsing import looking
from tests.ui.forms import logged_in

OWN = "My locker has the number 7731."
OTHERS = "I repair old radios."


@pytest.fixture(scope="module")
def filed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, Path]]:
    """A server over a file."""
    folder = tmp_path_factory.mktemp("erasing")
    with serving(store=SqliteStore(folder / "memory.db")) as server:
        yield server, folder


def add(server: Serving, user: str, text: str) -> str:
    memory = server.service.memory_of(ROOT_TENANT)
    return str(server.run(memory.add(text, user_id=user, run_id="one", infer=False)).memories[0].id)


def texts(server: Serving, user: str) -> list[str]:
    found = server.run(server.service.memory_of(ROOT_TENANT).get_all(user_id=user))
    return [r.text for r in found.items]


def test_a_user_is_exported_erased_and_proved_gone(browser: Browser, filed: tuple[Serving, Path]) -> None:
    server, folder = filed
    add(server, "李雷", OWN)
    add(server, "other", OTHERS)
    with looking(browser, server) as looked:
        looked.log_in()
        page = looked.go("/ui/erase?user_id=李雷")
        with page.expect_download() as downloading:
            page.get_by_role("button", name="Download").click()
        lines = [json.loads(line) for line in Path(downloading.value.path()).read_text("utf-8").splitlines()]
        assert any(line.get("content") == OWN for line in lines)
        assert OTHERS not in json.dumps(lines)
        page.fill("[name=confirm]", "李")
        page.click("button.danger")
        expect(page.locator("[role=alert]:not(#offline)")).to_be_visible()
        assert looked.inaccessible() == []
        assert texts(server, "李雷") == [OWN]
        page.fill("[name=confirm]", "李雷")
        page.fill("[name=reason]", "request of 3 March")
        page.click("button.danger")
        expect(page.locator(".notice.good")).to_contain_text("All of it is gone")
        receipt = json.loads(page.locator("pre").inner_text())
        assert (receipt["memories"], receipt["messages"], receipt["verified"], receipt["residue"]) == (1, 1, True, 0)
        assert looked.inaccessible() == []
        page.click("main a >> text=What the history shows now")
        expect(page.locator(".timeline")).to_contain_text("request of 3 March")
        assert "7731" not in page.content()
        looked.check(but="400")
    assert texts(server, "李雷") == []
    assert texts(server, "other") == [OTHERS]
    stored = b"".join(p.read_bytes() for p in folder.glob("memory.db*"))
    assert b"7731" not in stored


def test_only_what_the_scope_sees_goes(filed: tuple[Serving, Path]) -> None:
    server, _ = filed
    memory = server.service.memory_of(ROOT_TENANT)
    for run in ("a", "b"):
        server.run(memory.add(f"In session {run} I was tired.", user_id="max", run_id=run, infer=False))
    with logged_in(server) as session:
        assert session.send("/ui/erase", user_id="max", run_id="a", confirm="max").status_code == 200
    assert texts(server, "max") == ["In session b I was tired."]


def test_without_the_word_the_token_or_a_scope_nothing_goes(filed: tuple[Serving, Path]) -> None:
    server, _ = filed
    add(server, "nora", OWN)
    with logged_in(server) as session:
        for fields, status in (
            ({"user_id": "nora"}, 400),
            ({"user_id": "nora", "confirm": "NORA"}, 400),
            ({"confirm": ""}, 400),
            ({"confirm": "nora"}, 400),
        ):
            assert session.send("/ui/erase", **fields).status_code == status
        forged = session.client.post("/ui/erase", data={"user_id": "nora", "confirm": "nora"})
        assert forged.status_code == 403
        assert session.send("/ui/erase/export").status_code == 400
    assert texts(server, "nora") == [OWN]


def test_keys_erase_and_export_no_more_than_they_may(filed: tuple[Serving, Path]) -> None:
    server, _ = filed
    for user in ("olga", "paul"):
        add(server, user, OWN)
    with logged_in(server, server.key(Role.WRITE)) as session:
        assert "/ui/erase" not in session.get("/ui/running").text
        assert session.get("/ui/erase?user_id=olga").status_code == 403
        for path in ("/ui/erase", "/ui/erase/export"):
            assert session.send(path, user_id="olga", confirm="olga").status_code == 403
    with logged_in(server, server.key(Role.ADMIN, user_id="olga")) as session:
        for path in ("/ui/erase", "/ui/erase/export"):
            assert session.send(path, user_id="paul", confirm="paul").status_code == 403
        archive = session.send("/ui/erase/export")
        assert 'filename="keepstone-olga.jsonl"' in archive.headers["content-disposition"]
        assert "paul" not in archive.text
        assert session.send("/ui/erase", confirm="olga").status_code == 200
    assert texts(server, "olga") == []
    assert texts(server, "paul") == [OWN]


def test_the_name_of_a_user_makes_no_header(filed: tuple[Serving, Path]) -> None:
    server, _ = filed
    user = 'ä"; filename=evil.exe; x="'
    add(server, user, OTHERS)
    with logged_in(server) as session:
        sent = session.send("/ui/erase/export", user_id=user)
    assert sent.headers["content-disposition"] == 'attachment; filename="keepstone-filename-evil.exe-x.jsonl"'
