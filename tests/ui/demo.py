"""A store to look at: two people, two languages, long texts, changes of mind, and things that went wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from keepstone.chat import ChatReply, ChatRequest
from keepstone.errors import BadReplyError
from keepstone.server.access import ROOT_TENANT
from keepstone.testing import FakeClock, ScriptedChatModel
from tests.distillation.speaking import change, heard, known_in, reply
from tests.server.serving import Serving, serving

START = datetime(2026, 5, 22, 8, 30, tzinfo=UTC)
DAYS = 27

LONG_EN = (
    "For the record, this is how we bake the rye bread at home: on the first evening I stir the starter with warm "
    "water and half of the flour and leave it on the windowsill; in the morning I add the rest, the salt and a spoon "
    "of honey, knead it for a quarter of an hour, and let it rise under a cloth until it has doubled, which in winter "
    "takes until the afternoon. Then it goes into the oven with a bowl of water, very hot at first.\n\n"
    "Note: https://bread.example/a-very-long-address-without-any-spaces-that-has-to-break-somewhere-or-it-will-overflow"
)
LONG_ZH = (
    "我把上个周末的徒步路线记下来：早上六点从老城门出发，沿着河堤一直走到水库，再从东边的石阶上山，途中经过两座亭子和一片竹林，"
    "中午在山顶的小屋吃了自己带的饭团和茶叶蛋，下午沿着西边的防火道下山，路上遇到一位种茶的老人，他请我们喝了今年的新茶，"
    "还告诉我们每年四月山上的杜鹃花开得最好，所以明年春天我打算再去一次，并且带上相机和三脚架，争取拍到日出。"
)
HOSTILE = (
    '<script>document.title="owned"</script><img src=x onerror="document.title=\'owned\'"> {{ 7 * 7 }} {% raw %} '
    "\u202egnp.exe\u202c \u2066hidden\u2069 zero\u200bwidth \"quotes\" & 'ticks' ]]> --> </textarea></title>"
)

# What is said on which day, and what a model makes of it: the operation, the fact, and the fact that it is about.
SAID: tuple[tuple[int, str, str, str, str, str, str | None], ...] = (
    (0, "maya", "I work as a ceramics teacher in Porto.", "add", "work", "User works as a ceramics teacher in Porto.", None),
    (1, "maya", "I am allergic to hazelnuts.", "add", "health", "User is allergic to hazelnuts.", None),
    (2, "maya", "I keep my bicycle in the cellar.", "add", "other", "User keeps a bicycle in the cellar.", None),
    (4, "maya", LONG_EN, "none", "", "", None),
    (6, "maya", "My sister Inês plays the viola in Braga.", "add", "people", "User's sister Inês plays the viola in Braga.", None),
    (9, "maya", "I moved my bicycle out of the cellar into the studio.", "supersede", "other",
     "User keeps a bicycle in the studio.", "User keeps a bicycle in the cellar."),
    (12, "maya", "I like my coffee without sugar.", "add", "preferences", "User likes coffee without sugar.", None),
    (15, "maya", HOSTILE, "none", "", "", None),
    (3, "陈晓雨", "我在杭州当图书管理员。", "add", "work", "用户在杭州当图书管理员。", None),
    (5, "陈晓雨", "我对芒果过敏。", "add", "health", "用户对芒果过敏。", None),
    (8, "陈晓雨", LONG_ZH, "none", "", "", None),
    (11, "陈晓雨", "我每周三晚上学吉他。", "add", "other", "用户每周三晚上学吉他。", None),
    (18, "陈晓雨", "我把吉他课从每周三晚上改到每周六上午了。", "supersede", "other",
     "用户每周六上午学吉他。", "用户每周三晚上学吉他。"),
    (20, "陈晓雨", "我喜欢喝龙井茶。", "add", "preferences", "用户喜欢喝龙井茶。", None),
    (22, "maya", "My flight to Lisbon leaves on 3 July 2026.", "add", "plans", "User's flight to Lisbon leaves on 3 July 2026.", None),
)  # fmt: skip
BROKEN = "This sentence makes the model fail, so that there is a dead letter to look at."


def model(request: ChatRequest) -> ChatReply | dict[str, object] | BaseException:
    """Reply as a good model would, but for one message."""
    text = heard(request)
    if text == BROKEN:
        return BadReplyError("scripted", "the script fails here on purpose", retryable=False)
    found = next((s for s in SAID if s[2].strip() == text.strip()), None)
    if found is None or found[3] == "none":
        return reply()
    handle = None if found[6] is None else known_in(request).get(found[6])
    return reply(change(found[3], found[5], section=found[4], target=handle))


async def fill(server: Serving, clock: FakeClock) -> None:
    """Say everything on its day, then change some of it."""
    memory = server.service.memory_of(ROOT_TENANT)
    today = START
    for day, user, text, *_ in sorted(SAID, key=lambda said: said[0]):
        wanted = START + timedelta(days=day)
        clock.advance(wanted - today)
        today = wanted
        message = {"role": "user", "content": text, "timestamp": today.isoformat()}
        await memory.add([message], user_id=user, run_id=f"day-{day}", wait=20)
    for n in range(60):
        await memory.add(f"Note number {n} of a quiet user.", user_id=f"guest-{n:02}", infer=False)
    await memory.add(BROKEN, user_id="maya", run_id="broken", wait=20)
    await _changed(server, clock)
    clock.advance(START + timedelta(days=DAYS) - clock())


async def _changed(server: Serving, clock: FakeClock) -> None:
    memory = server.service.memory_of(ROOT_TENANT)
    by_text = {r.text: r for user in ("maya", "陈晓雨") for r in (await memory.get_all(user_id=user)).items}
    clock.advance(timedelta(hours=20))
    coffee = by_text["User likes coffee without sugar."]
    await memory.update(coffee.id, text="User likes black coffee without sugar, and never after four o'clock.")
    clock.advance(timedelta(hours=1))
    await memory.update(coffee.id, text="User likes strong black coffee, and never after three o'clock.", reason="told so")
    tea = by_text["用户喜欢喝龙井茶。"]
    await memory.update(tea.id, text="用户喜欢在下午喝明前龙井茶，不加糖。", reason="用户更正")
    taken = await memory.delete(by_text["User works as a ceramics teacher in Porto."].id, reason="asked to")
    clock.advance(timedelta(hours=1))
    await memory.undo(taken.id)


@contextmanager
def demonstration() -> Iterator[Serving]:
    """Serve the filled store."""
    clock = FakeClock(START, step=timedelta(0))
    with serving(chat_model=ScriptedChatModel(model), clock=clock) as server:
        server.run(fill(server, clock))
        yield server
