"""Requests to forget in Chinese."""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepstone.logic.forgetting.request import MASK, ForgetRequest

TRIGGER = re.compile(
    "[忘删抹清除]|去掉|移除|擦掉|划掉|销毁|[别勿]|不[要用必想希许准能该]|当(?:[我你作做])?(?:从来|从"
    "|压根)?没|装作|没必要|不需要|用不着"
)

_FORGET = "忘(?:干净|个干净|得干净|光|掉|记|却|了)?(?:了|掉)?"
_DELETE = (
    "(?:删(?:除|掉|去|了|干净)?|抹(?:掉|去|除|了|干净)|(?<![还付看说记查算弄数分结交问听理认])清(?:掉|除|空|理掉|了|干净)|去掉|移除|剔除"
    "|擦(?:掉|除|去)|划掉|消除|销毁|除掉|拿掉)(?:了|掉)?"
)
# Not those of words that keep nothing: 留情, 记仇, 存心.
_KEEP_WORD = (
    "(?:记(?:住|着|得|录|下来|下)?(?![仇恨账挂者性错混反])|存(?:着|住|下来|下|起来)?(?![心在款钱])"
    "|保(?:存|留)|留(?:着|下|存)?(?![情神意心步言学级恋念守宿校长话]|在(?![你您]))|储存|收录|惦记)"
)
_MENTION = "(?:提起|提到|提及|提|说起|说出来|讲起)"
_NO = "(?:别|不要|不用|不必|甭|请勿|勿|无需|不许|不准|不能|不可以|不得|不该|不应该|禁止|没必要|没有必要|不需要|用不着)"
_VERB = re.compile(
    f"(?P<pretend>(?:[就权全]{{0,2}}(?:当(?:作|做)?|装作)[我你咱]?(?:从来|从|压根)?(?:没有|没"
    f"|不曾)(?:[跟和对同][你您])?"
    f"(?:听(?:过|见过|见|着|到过|到|说过)?|说(?:过)?|提(?:过|起过)?|讲(?:过)?|告诉过?[你您]?|看(?:过|见)?|知道)))"
    f"|(?P<keep>(?:{_NO}|不(?:想|希望|愿意?|喜欢)(?:让|叫|要)?[你您])(?:再|继续|一直|帮我|给我"
    f"|替我)*{_KEEP_WORD}(?:了|过)?)"
    f"|(?P<mention>(?:{_NO}(?:再|继续)+|不[许准]){_MENTION}(?:了|过)?)"
    f"|(?P<forget>{_FORGET})|(?P<delete>{_DELETE})"
)
_NOT = re.compile(
    "(?:别|不要|不可|不能|勿|莫|甭|没有?|不会|不曾|从不|永不|怎么能|怎么会|不得|无法|难以?|可不能|不许|不准"
    "|请勿|不该|不敢|休想|不想|不希望)"
    "(?:再|给我|要|轻易|随便|把.*|将.*|你|就|能|会|那么快|这么快)*$"
)
_DONT_TAKE = re.compile(
    f"^(?P<before>.{{0,6}}?){_NO}(?:再|继续)*[把将](?P<object>.+?){_KEEP_WORD}(?:了|来|起来|下来)*$"
)
_POSSIBLE = re.compile("能不能|可不可以|好不好|行不行|要不要")
_NOT_AFTER = re.compile("^(?:不了|不掉|得了|我草|我$|忧|恩|年|情|形|川|性|词|我地|乎)")
_THEN = re.compile("^(?:在|带|拿|关|告诉|说|交|买|吃|拔|给|跟|问|看|做|去|怎么|放|写|还|锁|回|打|穿|发|取)")

_SOFT = (
    "(?:请|麻烦|拜托|劳驾|烦请|恳请|求求?|帮(?:我|个忙|忙)?|替我|给我|能不能|能否|可不可以|可否|可以|能"
    "|要不|还是|就|快|快点|赶紧|赶快|立刻|立即|马上"
    "|务必|一定|千万|最好|也|都|全都|全部|全|统统|彻底|完全|先|再|顺便|现在|以后|从此|今后|一并|直接|要|得"
    "|应该|该|必须|尽快|悄悄|稍后|给|您|你|咱|，)"
)
_ASKING = re.compile(
    "请|麻烦|拜托|劳驾|求|帮|替我|给我|能不能|能否|可不可以|可否|可以|快|赶紧|赶快|立刻|立即|马上|务必|千万"
    "|最好|[你您](?!们)|要不|还是|从此|以后|全部|统统|彻底"
)
_SOFTENING = re.compile(
    "^(?:[了掉它]|这事|一下子?|吧|好了|好吗|好不好|行吗|行不行|可以吗|可好|得了|算了|哈|哦|啊|呀|呗|嘛|可否"
    "|为好|谢谢|多谢|拜托|吗)*+$"
)
_LEAD = re.compile(
    f"^(?:{_SOFT}|那|那么|对了|另外|还有|好|好吧|好的|嗯|哦|唉|哎|所以|不好意思|抱歉|其实|刚才|之前|我(?:想"
    f"|要|希望|想请|想让|想叫|请|需要|求|让|要求|不想)(?:请|让|叫|要求)?"
    "|希望|宁愿|宁可|情愿|介意|介不介意|方便|我宁愿|我宁可|拜托你|从此以后|话说|顺手|咱们)*+$"
)
_TOLD = re.compile(
    "(?:我|咱|我们)?(?:刚才|刚刚|昨天|之前|以前|上次|前几天|早上|方才|那天|曾经?|曾|已经)*(?:我)?(?:跟|和"
    "|对|同|给|向)?[你您]?(?:这儿|那儿)?"
    "(?:说过|讲过|提过|告诉过|透露过|说起过|聊过|说|讲|提到|提|告诉|透露)(?:过)?(?:[你您](?:的)?(?:过)?"
    "|给[你您]|的)(?:关于|那个|那些|那段|那|的)*"
    "|(?:我)?(?:刚才|刚刚|昨天|之前|以前|上次|已经)*(?:发|给|报|抄|念"
    "|传)(?:给)?(?:过)?[你您](?:看)?(?:过)?的(?:那个|那些|那)*"
    "|[你您](?:手上|那儿|那里|这儿|这里)?(?:记录|记下|记住|记得|记|知道|存|保存|保留|存着|留着|掌握"
    "|了解)(?:的|了)(?:关于)?|[你您](?:手上|手里|那儿|那里|这儿|这里)的?"
)
_TELLING = re.compile(
    "我(?:真)?(?:不该|不应该|不小心)(?:到处|往外|对外|出去|乱|多|随便)?(?:说|讲|提)(?:的|了|起)?(?![我他她])"
    "|(?:我)?(?:真)?(?:不该|不应该|不小心|本来不想)?(?:跟|和|对|同|给|向)[你您](?:说|讲|提|聊)(?:了|过|起)?"
    "|告诉(?:过|了)?[你您](?:了)?"
)
_FROM_PLACE = re.compile(
    "从[你您]?(?:的)?(?:那儿|那里|这儿|这里|脑子|脑海|记忆|记录|笔记|档案|数据库|数据|备忘录|资料库|资料"
    "|历史记录|历史|日志|系统|心)(?:里头|里面|里边|里|中|上|内)?"
    "|在[你您](?:的)?(?:记录|记忆|笔记|档案|数据库)(?:里|中)?|[你您]的?(?:记录|记忆|笔记|档案|数据库)(?:里|中)"
)
_ELSEWHERE = re.compile("从(?![你您]|记忆|记录|笔记|脑)[^，]{1,8}[里中上]?$")
_MATTER = re.compile(
    "(?:的)?(?:那|这)?(?:些|件|个|段|条|笔|回|档子|码|桩|家)?(?:的)?(?:事情|事儿|事|内容|信息|话|记录|部分"
    "|情况|往事|消息|这茬|那茬)(?:儿)?$|(?:的)?(?:那|这)(?:件|个|段|条|笔|码|部分|些|回)?$"
)
_REPORT = re.compile(
    "[说讲问喊叫劝嘱骂唱写念](?:[：:，,]|我|他|她|把|要|别|请|过?$|道|着)|劝|嘱咐|要求|让我|叫我|建议|提醒"
    "|写着|写道|写的是|写[：:]|老师|广告|牌子|歌|电影|小说|节目|台词|口号|标题"
    "|求我|逼|批评|责怪|怪我|听说|据说|传说"
)
_CONDITION = re.compile(
    "如果|要是|假如|万一|会怎么样|会怎样|怎么|如何|怎样|咋|为了|什么时候|为什么|为何|干嘛|干吗|是不是"
    "|有没有|是否|会不会|难道|谁|一.{1,3}就|差点|的时候|之后|能够"
)
_TASK = re.compile(
    "翻译|改写|润色|缩短|写短|短一点|写封|写一封|写篇|起草|这段话|这句话|这篇|文章|作文|用英语|用英文"
    "|英语怎么|提醒我|(?<![再别不要用还你您])记得(?!的)|怎么说|总结"
)
_ARTEFACT = re.compile(
    "第?[一二三四五六七八九十几两最\\d]+[段句行列页章条栏幕场个](?!孩|儿|女|男|人|老|朋)|最后(?:一|那)|[段句行]代码|代码|文件|分支"
    "|缓存|表格|单元格|照片|相片|相册|图片|视频|录音|杂音|背景|帖子|评论|幻灯片|文件夹"
    "|软件|程序|应用|游戏|邮件|短信|逗号|句号|标点|标题|按钮|键|桌|渍|结石|微博|朋友圈|歌单|页面|注释|函数"
    "|变量|列表|名单|备份|浏览|黑板|白板|脚注|购物车|闹钟|日程|段落|天气|错别?字|重复|多余|会议|日历"
    "|上一?[条句个段]|[a-zA-Z]+\\.[a-z]+"
)
_RHETORIC = re.compile("^(?:我们|咱|咱们|走|去|来|吃|喝|先|换|点|直接|不如|还是)")
_PERSON_BEFORE = re.compile(
    "(?:(?<![帮给替为对跟让])我|他|她|它|们|人|谁|妈妈|爸爸|妈|爸|哥|姐|弟|妹|爷爷|奶奶|儿子|女儿|老公|老婆"
    "|先生|太太|老板|同事|朋友|老师|医生|导演|银行|学校|公司)(?:又|总是?|老是?|常常?|已经|差点|完全|也|都"
    "|就|真|想要?|要|会|早就|刚刚?|昨天|今天|不小心|一直|从来|渐渐|慢慢|全)*$"
)
_SELF = re.compile(
    "(?<![帮给替为对跟让])我(?:又|总是?|老是?|常常?|经常|已经|差点|完全|也|都|就|真|很想|想要?|要|会|早就"
    "|刚刚?|昨天|今天|不小心|一直|从来|永远|渐渐|慢慢|全|可能|好像|居然|竟然|真希望能|希望能?)*$"
)
_SENTENCE = re.compile("[^。！？!?；;\n]+[。！？!?；;\n]*")
_COMMA = re.compile("[，,：:、—]+|\\s+")
_CHATTER = re.compile(
    "^(?:不好意思|抱歉|对了|算了|没事|没关系|好的?|好吧|嗯|那个|唉|哎|哦|拜托|谢谢|多谢|请|麻烦你?|另外"
    "|还有|其实|所以|话说|行|啊|呀|嘿|喂|你好)$"
)


@dataclass(frozen=True, slots=True)
class _Command:
    """A command in a clause: what kind of verb, what stands before and after it."""

    kind: str
    before: str
    after: str
    to_you: bool = False


def request(text: str) -> ForgetRequest | None:
    """Return the request in *text*, whose quotations are masked; None if there is none."""
    if _TASK.search(text) and not _FROM_PLACE.search(text):
        return None
    best: ForgetRequest | None = None
    sentences = [s for s in _SENTENCE.findall(text) if s.strip()]
    for number, sentence in enumerate(sentences):
        question = sentence.rstrip().endswith(("？", "?"))
        clauses = [c for c in _COMMA.split(sentence.strip("。！？!?；; \n")) if c]
        for place, clause in enumerate(clauses):
            earlier = [*sentences[:number], *clauses[:place]]
            command = _command(clause)
            if command is None or _reported(clauses[:place], command.before):
                continue
            if not _asks(command, clauses[place + 1 :], question=question):
                continue
            found = _judged(command, earlier, clauses[:place], clauses[place + 1 :])
            if found is not None and (best is None or (found.certain and not best.certain)):
                best = found
    return best


def _reported(before: list[str], head: str) -> bool:
    words = _TELLING.sub("", _TOLD.sub("", "，".join([*before, head])))
    return bool(_REPORT.search(words)) or MASK in words


def _command(clause: str) -> _Command | None:
    if found := _DONT_TAKE.match(clause):
        return _Command("keep", found["before"], found["object"])
    for found in _VERB.finditer(clause):
        kind = str(found.lastgroup)
        before, after = clause[: found.start()], clause[found.end() :]
        if kind in ("forget", "delete") and _NOT.search(_POSSIBLE.sub("", before)):
            return None
        if kind == "forget" and (_NOT_AFTER.match(after) or (_THEN.match(after) and not after.startswith("给"))):
            return None
        return _Command(kind, before, after, bool(re.search("[你您]", found.group())))
    return None


def _asks(command: _Command, follows: list[str], *, question: bool) -> bool:
    """Whether the assistant is told to do it: not a report, not a wish, not a question of fact."""
    before, after = command.before, command.after
    told = _TOLD.sub("", before)
    if _CONDITION.search(told) or _CONDITION.search(after) or (_SELF.search(told) and not command.to_you):
        return False
    if command.kind == "pretend":
        return not re.search("[他她]$", before)
    if command.kind in ("keep", "mention"):
        own = bool(re.search("[他她]$", told)) or (bool(re.search("我$", told)) and not command.to_you)
        return not own and not re.match("太|在(?!你)|账$", after)
    polite = bool(re.search("能不能|能否|可不可以|可否|可以|能|帮|麻烦|请", before + after))
    if question and not polite:
        return False
    head, taking, _ = before.partition("把")
    if taking or "将" in before:
        head = head if taking else before.partition("将")[0]
        elsewhere = command.kind == "delete" and _ELSEWHERE.search(before)
        return _may_lead(head) and not elsewhere and bool(_SOFTENING.match(after) or re.match("从|在", after))
    if _PERSON_BEFORE.search(told) and not re.search("[你您请帮]", told):
        return False
    if _SOFTENING.match(after):
        return _closing(command, follows)
    # The object comes after the verb: a command begins its clause, with nothing but courtesy before it.
    return _may_lead(before)


def _may_lead(head: str) -> bool:
    return bool(_LEAD.match(_FROM_PLACE.sub("", head)))


def _closing(command: _Command, follows: list[str]) -> bool:
    """Whether a verb at the end of its clause is an order: courtesy before it, a softening after it, or bare."""
    before, after = command.before, command.after
    asking = bool(_ASKING.search(_TOLD.sub("", before)))
    if re.search("(?<!请)(?:你|您)$", before) and not after and command.kind == "forget":
        return bool(follows)
    bare = _may_lead(before)
    return asking or bare or bool(after.strip("了")) or command.kind == "delete"


def _judged(command: _Command, earlier: list[str], before: list[str], after: list[str]) -> ForgetRequest | None:
    raw = command.before
    placed = bool(_FROM_PLACE.search(raw + command.after)) or bool(re.search("[你您](?:的)?记录(?!的)", raw))
    first = raw.partition("把")[2] if "把" in raw else raw
    spoken = _phrase(first)
    trailing = _phrase(_SOFTENING.sub("", command.after) if _SOFTENING.match(command.after) else command.after)
    phrase = "".join(p for p in (spoken, trailing) if p)
    told = bool(_TOLD.search(raw + command.after))
    if MASK in phrase:
        return None
    if command.kind == "pretend" and phrase.startswith("告诉"):
        phrase = phrase[2:]
    if not phrase:
        return _by_antecedent(command, earlier, before, placed=placed)
    if (
        command.kind in ("delete", "keep")
        and not (placed or told)
        and _ARTEFACT.search(f"{phrase} {raw} {command.after}")
    ):
        return None
    rhetorical = command.kind == "forget" and not raw and (bool(after) and bool(_RHETORIC.match(after[0])))
    bare_advice = (
        command.kind == "forget" and not spoken and not _ASKING.search(raw) and not re.match("我|关于", trailing)
    )
    if rhetorical or bare_advice:
        return None
    if command.kind == "keep" and not (placed or told) and not _about_somebody(phrase, raw):
        return None
    context = "，".join([*earlier, phrase, *after])
    return ForgetRequest(referent=phrase, context=_plain(context), certain=True)


def _about_somebody(phrase: str, raw: str) -> bool:
    """Whether what is not to be kept is a fact of somebody: "my card number", "the position of the key"."""
    return bool(re.search("我|的|事|他|她", phrase)) or bool(raw)


def _by_antecedent(command: _Command, earlier: list[str], before: list[str], *, placed: bool) -> ForgetRequest | None:
    """Return the request whose object stands in an earlier clause or sentence."""
    named = [b for b in before if not _CHATTER.match(b)]
    if not named:
        named = [e for e in earlier[-1:] if not _CHATTER.match(e.strip("。！？!?；; \n"))]
        if named and not (_TOLD.search(named[0]) or re.search("告诉|不该|不小心说|跟你", named[0])):
            return None
    if not named:
        return None
    words = "，".join(named)
    if MASK in words or (_ARTEFACT.search(words) and not placed and not _TOLD.search(words)):
        return None
    topic = _phrase(named[-1]) or _phrase(words)
    stated = bool(re.search("[了过](?!的)", named[0])) and not re.search("事|话|的|告诉|不该|跟你", words)
    if not topic or (command.kind == "forget" and stated):
        return None
    return ForgetRequest(referent=topic, context=_plain("，".join(earlier)), certain=True)


def _phrase(words: str) -> str:
    """Return what a stretch of a command is about, without courtesy, without where it is kept and who told it."""
    words = _FROM_PLACE.sub("", words)
    words = _TELLING.sub("", _TOLD.sub("", words))
    words = re.sub(
        f"^(?:{_SOFT}|那个|那些|关于|有关|对于|至于|对了|不好意思|我(?:想|要|希望|想请|不想|不希望)(?:让|请"
        f"|叫)?[你您]?|希望[你您]?)++(?![的们])",
        "",
        words,
    )
    words = re.sub(f"(?:{_SOFT}|一下|吗|吧|好吗|它|了)++$", "", words)
    words = re.sub("(?:但|可)?(?:我)?(?:以后|今后)$", "", words)
    return _MATTER.sub("", words).strip(" 　的")


def _plain(words: str) -> str:
    return _TOLD.sub("", words).strip("，,。 ")
