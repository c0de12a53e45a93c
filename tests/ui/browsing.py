"""A real browser that sees the dashboard and nothing else, and that tells all that went wrong on a page."""

import gzip
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from tests.server.serving import Serving

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
NAMES = ("chromium", "chromium-browser", "google-chrome")
WIDE: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 360, "height": 740}
AXE = gzip.decompress((Path(__file__).parent / "vendor" / "axe.min.js.gz").read_bytes()).decode()

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
# Rows after the first few are made as those are; the check takes long over many.
REPEATED = ("tbody tr:nth-child(n+6)", "ol > li:nth-child(n+6)", "ul > li:nth-child(n+11)", "option:nth-child(n+11)")
# What another language and other colours may change.
OF_WORDS_AND_COLOURS = ("color-contrast", "html-lang-valid", "valid-lang", "link-in-text-block")

Scheme = Literal["light", "dark"]


def executable() -> str:
    """Where the browser is."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    assert found is not None, "The tests of the dashboard need Chromium: `make browser` installs Debian's."
    return found


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser without a profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Looking:
    """A tab, logged in or not, and what went wrong in it."""

    page: Page
    server: Serving
    wrong: list[str] = field(default_factory=list)

    def log_in(self, secret: str | None = None) -> None:
        self.page.goto(f"{self.server.url}/ui/login")
        self.page.fill("#key", self.server.secret if secret is None else secret)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(lambda url: "/login" not in url)

    def go(self, path: str) -> Page:
        self.page.goto(self.server.url + path)
        # The scripts of a page run before it counts as loaded; so does what they ask for at once.
        self.page.wait_for_load_state("load")
        return self.page

    def check(self, but: str | None = None) -> None:
        """Nothing was logged as an error, refused by the policy, asked of another host, or failed.

        *but* is the status of answers that were meant to be refusals.
        """
        wrong = [w for w in self.wrong if but is None or f"status of {but} " not in w]
        assert not wrong, wrong

    def inaccessible(self, rules: Sequence[str] = ()) -> list[str]:
        """What the accessibility check finds, each with the first place; with *rules*, only what these find."""
        self.page.evaluate(AXE)
        only = {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": TAGS}
        options = {"preload": False, "resultTypes": ["violations"], "runOnly": only}
        context = {"exclude": [[each] for each in REPEATED]}
        found: dict[str, Any] = self.page.evaluate("([c, options]) => axe.run(c, options)", [context, options])
        return [f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:200]}" for v in found["violations"]]

    def overflow(self) -> int:
        """How many pixels the page is wider than its window."""
        width: int = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return width


@contextmanager
def looking(
    browser: Browser,
    server: Serving,
    *,
    language: str = "en",
    scheme: Scheme = "light",
    size: ViewportSize = WIDE,
    scripts: bool = True,
) -> Iterator[Looking]:
    """A fresh tab for a server."""
    context = browser.new_context(
        locale=language, color_scheme=scheme, viewport=size, java_script_enabled=scripts, timezone_id="Asia/Shanghai"
    )
    # A machine that does much else is slow, not broken.
    context.set_default_timeout(30_000)
    looked = Looking(context.new_page(), server)
    page, wrong = looked.page, looked.wrong
    host = urlsplit(server.url).netloc
    # Aborted requests are of pages that were left.
    page.on("console", lambda m: wrong.append(f"{m.type}: {m.text}") if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    page.on("request", lambda r: None if urlsplit(r.url).netloc in (host, "") else wrong.append(f"asked {r.url}"))
    page.on("response", lambda r: wrong.append(f"{r.status} {r.url}") if r.status >= 500 else None)
    try:
        yield looked
    finally:
        context.close()
