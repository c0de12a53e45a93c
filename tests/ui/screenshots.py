"""Pictures of every page over the demonstration store: `python -m tests.ui.screenshots OUT [NAME …]`."""

import sys
from pathlib import Path

from playwright.sync_api import Browser

from keepstone.server.access import ROOT_TENANT
from tests.server.serving import Serving
from tests.ui.browsing import NARROW, WIDE, Scheme, launched, looking
from tests.ui.demo import SATURDAY, STUDIO, demonstration

LOOKS: tuple[tuple[str, Scheme], ...] = (("en", "light"), ("zh", "dark"), ("en", "dark"), ("zh", "light"))


def pages(server: Serving) -> dict[str, str]:
    """The addresses to look at, by name."""
    memory = server.service.memory_of(ROOT_TENANT)

    async def of(user: str, word: str) -> str:
        found = (await memory.get_all(user_id=user, limit=100)).items
        return next(r.id for r in found if word in r.text)

    coffee = server.run(of("maya", "coffee, and never"))
    tea = server.run(of("陈晓雨", "明前龙井"))
    change = server.run(memory.history(coffee))[1].id
    studio = server.run(of("maya", STUDIO))
    saturday = server.run(of("陈晓雨", SATURDAY))
    slowly = server.run(of("maya", "we walk slowly"))
    dead = server.run(memory.jobs(user_id="陈晓雨"))[0].id
    webhook = server.run(server.service.control.webhooks(ROOT_TENANT))[0].id
    entity = next(e.id for e in server.run(memory.entities(user_id="maya")) if e.merged)
    return {
        "overview": "/ui/overview",
        "memories-choose": "/ui/memories",
        "memories-en": "/ui/memories?user_id=maya",
        "memories-zh": "/ui/memories?user_id=陈晓雨",
        "memories-search": "/ui/memories?user_id=陈晓雨&q=吉他",
        "memories-empty": "/ui/memories?user_id=nobody",
        "time": "/ui/time?user_id=maya",
        "time-then": "/ui/time?user_id=maya&as_of=2026-05-28",
        "time-held": "/ui/time?user_id=陈晓雨&as_of=2026-06-05&known_at=2026-06-05",
        "versions-en": f"/ui/time/memories/{coffee}",
        "versions-zh": f"/ui/time/memories/{tea}",
        "undo": f"/ui/time/undo/{change}",
        "lab-empty": "/ui/search",
        "lab": "/ui/search?user_id=maya&query=Where+is+the+bicycle%3F&max_tokens=120",
        "lab-trace": f"/ui/search?user_id=陈晓雨&query=什么时候上吉他课？&expect={tea}&limit=3",
        "refused": "/ui/nothing",
        "conversations": "/ui/conversations",
        "conversations-zh": "/ui/conversations?user_id=陈晓雨",
        "transcript": "/ui/conversations/said?user_id=maya",
        "transcript-zh": "/ui/conversations/said?user_id=陈晓雨&order=newest",
        "transcript-empty": "/ui/conversations/said?user_id=nobody",
        "sources-en": f"/ui/memories/{slowly}/sources",
        "sources-fact": f"/ui/memories/{studio}/sources",
        "sources-zh": f"/ui/memories/{saturday}/sources?around=10",
        "entities-choose": "/ui/entities",
        "entities-en": "/ui/entities?user_id=maya",
        "entities-zh": "/ui/entities?user_id=陈晓雨",
        "entities-empty": "/ui/entities?user_id=nobody",
        "entity": f"/ui/entities/{entity}?user_id=maya",
        "jobs": "/ui/running",
        "jobs-empty": "/ui/running?user_id=nobody",
        "job": f"/ui/running/jobs/{dead}",
        "webhooks": "/ui/running/webhooks",
        "webhook": f"/ui/running/webhooks/{webhook}",
        "keys": "/ui/running/keys",
        "audit": "/ui/running/audit",
        "settings": "/ui/running/settings",
        "erase-choose": "/ui/erase",
        "erase": "/ui/erase?user_id=陈晓雨",
        "erase-nothing": "/ui/erase?user_id=nobody",
    }


def take(browser: Browser, server: Serving, out: Path, names: list[str]) -> None:
    for language, scheme in LOOKS:
        for width, size in (("wide", WIDE), ("narrow", NARROW)):
            with looking(browser, server, language=language, scheme=scheme, size=size) as looked:
                if not names or "login" in names:
                    looked.go("/ui/login").screenshot(path=out / f"login-{language}-{scheme}-{width}.png")
                looked.log_in()
                for name, path in pages(server).items():
                    if not names or name in names:
                        looked.go(path).screenshot(path=out / f"{name}-{language}-{scheme}-{width}.png", full_page=True)
                        if looked.overflow() > 0:
                            print(f"{name} {language} {width}: {looked.overflow()} px too wide")
                for problem in looked.wrong:
                    print(problem)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with demonstration() as demo, launched() as chromium:
        take(chromium, demo, folder, sys.argv[2:])
