"""A store to look at: two people, two languages, long texts, changes of mind, and things that went wrong."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from keepstone.chat import ChatReply, ChatRequest
from keepstone.control import EVENT_KINDS, Role, Webhook
from keepstone.errors import BadReplyError
from keepstone.server.access import ROOT_TENANT
from keepstone.server.webhooks import new_secret
from keepstone.testing import FakeClock, ScriptedChatModel
from keepstone.types import Scope
from tests.distillation.speaking import change, heard, known_in, reply
from tests.server.serving import Serving, serving

START = datetime(2026, 5, 22, 8, 30, tzinfo=UTC)
DAYS = 27
GUESTS = 60

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


@dataclass(frozen=True, kw_only=True)
class Said:
    """What somebody says on a day, and what a model makes of it: an operation, a fact, the known fact it is about."""

    day: int
    user: str
    text: str
    fact: str = ""
    section: str = "other"
    about: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)


MAYA, XIAOYU = "maya", "陈晓雨"
CELLAR, STUDIO = "User keeps a bicycle in the cellar.", "User keeps a bicycle in the studio."
WEDNESDAY, SATURDAY = "用户每周三晚上学吉他。", "用户每周六上午学吉他。"
TEACHER, COFFEE, TEA = (
    "User works as a ceramics teacher in Porto.",
    "User likes coffee without sugar.",
    "用户喜欢喝龙井茶。",
)
VIOLA = "User's sister Inês plays the viola in Braga."
FLIGHT = "User's flight to Lisbon leaves on 3 July 2026."
LINDQVIST, ASTRID = "Professor Lindqvist", "Astrid Lindqvist"
CHESS, TALK, MET = (
    "User's neighbour Tomás plays chess with her sister Inês in Lisbon.",
    "Professor Lindqvist gave a talk about The Kiln Book at Atelier Azul in Porto; Tomás was there.",
    "User's colleague Astrid Lindqvist met Inês and Tomás in Lisbon.",
)
LAKE, BOOK = (
    "同事王小明和李雪在杭州一起去了西湖，张老师也从上海赶来。",
    "用户和李雪、陈教授在北京大学见面，李雪送她《西湖梦寻》。",
)
SAID = (
    Said(day=0, user=MAYA, text="I work as a ceramics teacher in Porto.", fact=TEACHER, section="work"),
    Said(day=1, user=MAYA, text="I am allergic to hazelnuts.", fact="User is allergic to hazelnuts.", section="health"),
    Said(day=2, user=MAYA, text="I keep my bicycle in the cellar.", fact=CELLAR),
    Said(day=3, user=XIAOYU, text="我在杭州当图书管理员。", fact="用户在杭州当图书管理员。", section="work"),
    Said(day=4, user=MAYA, text=LONG_EN),
    Said(day=5, user=XIAOYU, text="我对芒果过敏。", fact="用户对芒果过敏。", section="health"),
    Said(
        day=6,
        user=MAYA,
        text="My sister Inês plays the viola in Braga.",
        fact=VIOLA,
        names={"Inês": "person", "Braga": "place"},
        section="people",
    ),
    Said(day=8, user=XIAOYU, text=LONG_ZH),
    Said(day=9, user=MAYA, text="I moved my bicycle out of the cellar into the studio.", fact=STUDIO, about=CELLAR),
    Said(day=11, user=XIAOYU, text="我每周三晚上学吉他。", fact=WEDNESDAY),
    Said(day=12, user=MAYA, text="I like my coffee without sugar.", fact=COFFEE, section="preferences"),
    Said(day=15, user=MAYA, text=HOSTILE),
    Said(day=18, user=XIAOYU, text="我把吉他课从每周三晚上改到每周六上午了。", fact=SATURDAY, about=WEDNESDAY),
    Said(day=20, user=XIAOYU, text="我喜欢喝龙井茶。", fact=TEA, section="preferences"),
    Said(
        day=22,
        user=MAYA,
        text="My flight to Lisbon leaves on 3 July 2026.",
        fact=FLIGHT,
        section="plans",
        names={"Lisbon": "place"},
    ),
    Said(
        day=23,
        user=MAYA,
        text="My neighbour Tomás plays chess with my sister Inês in Lisbon.",
        fact=CHESS,
        names={"Tomás": "person", "Inês": "person", "Lisbon": "place"},
    ),
    Said(
        day=23,
        user=XIAOYU,
        text="我的同事王小明和李雪昨天在杭州一起去了西湖，后来张老师也从上海赶来了。",
        fact=LAKE,
        names=dict.fromkeys(("王小明", "李雪", "张老师"), "person") | dict.fromkeys(("杭州", "西湖", "上海"), "place"),
    ),
    Said(
        day=24,
        user=MAYA,
        text="Professor Lindqvist gave a talk about The Kiln Book at Atelier Azul in Porto, and Tomás was there too.",
        fact=TALK,
        names={LINDQVIST: "person", "Tomás": "person", "The Kiln Book": "thing", "Porto": "place"}
        | {"Atelier Azul": "organisation"},
    ),
    Said(
        day=24,
        user=XIAOYU,
        text="周末我和李雪、陈教授在北京大学见了面，李雪送给我一本《西湖梦寻》。",
        fact=BOOK,
        names={"李雪": "person", "陈教授": "person", "北京大学": "organisation", "西湖梦寻": "thing"},
    ),
    Said(
        day=25,
        user=MAYA,
        text="My colleague Astrid Lindqvist met Inês and Tomás in Lisbon.",
        fact=MET,
        names={ASTRID: "person", "Inês": "person", "Tomás": "person", "Lisbon": "place"},
    ),
)
TALKED = (
    (MAYA, "Good morning! Could you plan a day in Braga with my sister for me?"),
    ("guide", "Gladly. Does she like gardens or old churches better?"),
    (MAYA, "Gardens, and a place where we can sit outside when it gets warm."),
    ("guide", "Then begin at the Biscainhos garden, and have lunch in the shade of the cathedral square."),
    (MAYA, "Perfect. Please remember that we walk slowly."),
)
TALKED_ZH = (
    (XIAOYU, "早上好，帮我看看这个月图书馆的读书会怎么安排比较好？"),
    ("guide", "周六上午您要上吉他课，周日下午两点怎么样？"),
    (XIAOYU, "可以，就周日下午，再提醒我提前把书目发给大家，因为上次有几位读者说收到得太晚，来不及把整本书读完。"),
    ("guide", "好的，我会在周三提醒您发书目。"),
)
BABBLED = "Now the model answers with prose instead of what it was asked for."
BROKEN = "This sentence makes the model fail, so that there is a dead letter to look at."


def model(request: ChatRequest) -> ChatReply | dict[str, object] | BaseException:
    """Reply as a good model would, but for one message."""
    text = heard(request)
    if text == BROKEN:
        return BadReplyError("scripted", "the script fails here on purpose", retryable=False)
    if text == BABBLED:
        return ChatReply(text='Sure! I noted that, 而且我会记住的。 {"changes": [', model="scripted")
    found = next((said for said in SAID if said.text.strip() == text.strip()), None)
    if found is None or not found.fact:
        return reply()
    named = [{"name": name, "type": type, "aliases": []} for name, type in found.names.items()]
    if found.about is None:
        return reply(change("add", found.fact, section=found.section, entities=named))
    return reply(change("supersede", found.fact, section=found.section, target=known_in(request).get(found.about)))


async def fill(server: Serving, clock: FakeClock) -> None:
    """Say everything on its day, then change some of it."""
    memory = server.service.memory_of(ROOT_TENANT)
    today = START
    for said in SAID:
        wanted = START + timedelta(days=said.day)
        clock.advance(wanted - today)
        today = wanted
        for n in range(GUESTS * said.day // DAYS, GUESTS * (said.day + 2) // DAYS):
            await memory.add(f"Note number {n} of a quiet user.", user_id=f"guest-{n:02}", infer=False)
        message = {"role": "user", "content": said.text, "timestamp": today.isoformat()}
        await memory.add([message], user_id=said.user, run_id=f"day-{said.day}", wait=20)
    await memory.add(BROKEN, user_id=MAYA, run_id="broken", wait=20)
    await memory.add(BABBLED, user_id=XIAOYU, run_id="babble", wait=20)
    for user, talk in ((MAYA, TALKED), (XIAOYU, TALKED_ZH)):
        turns = [
            {"role": "user" if name == user else "assistant", "name": name, "content": text} for name, text in talk
        ]
        await memory.add(turns, user_id=user, agent_id="guide", run_id="day trip", infer=False)
    await _changed(server, clock)
    await _administered(server)
    clock.advance(START + timedelta(days=DAYS) - clock())


async def _administered(server: Serving) -> None:
    """Make keys, a webhook that goes nowhere, and a merge of names."""
    service = server.service
    memory = service.memory_of(ROOT_TENANT)
    found = {e.name: e.id for e in await memory.entities(user_id=MAYA)}
    await memory.merge_entities(found[LINDQVIST], found[ASTRID], reason="She told me so herself.", user_id=MAYA)
    await service.keys.create(ROOT_TENANT, "billing service", Role.READ)
    await service.keys.create(ROOT_TENANT, "陈晓雨的手机应用", Role.WRITE, pin=Scope(user_id=XIAOYU))
    ended, _ = await service.keys.create(ROOT_TENANT, "an old script", Role.WRITE)
    await service.keys.revoke(ROOT_TENANT, ended.id)
    now = service.clock()
    await service.control.put_webhook(
        Webhook(
            id=service.new_id(now, 0),
            tenant=ROOT_TENANT,
            url="https://hooks.example/a/rather/long/path/that/has/to/break/somewhere/keepstone",
            secret=new_secret(),
            kinds=EVENT_KINDS,
            pin=Scope(),
            created_at=now,
            name="数据平台",
            is_active=False,
        )
    )


async def _changed(server: Serving, clock: FakeClock) -> None:
    memory = server.service.memory_of(ROOT_TENANT)
    by_text = {r.text: r for user in (MAYA, XIAOYU) for r in (await memory.get_all(user_id=user)).items}
    clock.advance(timedelta(hours=20))
    coffee = by_text[COFFEE]
    await memory.update(coffee.id, text="User likes black coffee without sugar, and never after four o'clock.")
    clock.advance(timedelta(hours=1))
    await memory.update(
        coffee.id, text="User likes strong black coffee, and never after three o'clock.", reason="told so"
    )
    tea = by_text[TEA]
    await memory.update(tea.id, text="用户喜欢在下午喝明前龙井茶，不加糖。", reason="用户更正")
    taken = await memory.delete(by_text[TEACHER].id, reason="asked to")
    clock.advance(timedelta(hours=1))
    await memory.undo(taken.id)


@contextmanager
def demonstration() -> Iterator[Serving]:
    """Serve the filled store."""
    clock = FakeClock(START, step=timedelta(0))
    with serving(chat_model=ScriptedChatModel(model), clock=clock) as server:
        server.run(fill(server, clock))
        yield server
