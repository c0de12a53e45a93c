"""Statements about oneself in Chinese."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from keepstone.logic.people import CHINESE_KIN
from keepstone.logic.profile.statement import Rule, Section, Statement, sentence_around
from keepstone.types import Span

# 自我 and 你我 are no subjects; 我们 and 我家 may be.
TRIGGER = re.compile("(?<![自给跟和对把被让帮教叫陪])(?:我们家|我们|我家|我|本人|俺)(?!们)")

_ADVERB = (
    "(?:现在|目前|如今|一直|已经|刚刚|刚|最近|其实|也|还是|还|都|就|才|一般|平时|平常|从来|从小|从小就|真的|确实|本来|天生|主要"
    "|今年|去年|前年|上个?月|上周|前几天|昨天|又|特别|非常|很|最|挺|比较|超级|超|蛮|有点|有点儿|更|尤其|十分|相当|真|老|总"
    "|基本上?|绝对|算是|是真|个人|自己|跟家人|和家人|一家|全家|终于|正式|下班后|周末|一个人|独自|从[^，。]{1,4}起|自小|(?:和|跟|与)(?:家人|朋友|先生|太太|老公|老婆|爸妈|父母"
    "|男友|女友|男朋友|女朋友)(?:一起|都)?)*"
)
_VALUE = "(?P<value>[^，。！？；,.!?;：:、\n（）()]{1,30})"
_END = "(?=[，。！？；,.!?;、\n（）()~～]|$|了|的?时候|已经|呢|啦|哦|呀|啊|吧|哈| )"
_JOB = (
    "(?:老师|教师|医生|护士|律师|工程师|设计师|程序员|会计|厨师|司机|警察|军人|公务员|学生|研究生|大学生|高中生|初中生|博士|硕士"
    "|博士生|硕士生|记者|编辑|作家|画家|演员|歌手|导演|摄影师|翻译|导游|教练|销售|经理|老板|产品经理|项目经理|主管|总监|顾问|分析师"
    "|科学家|研究员|教授|讲师|店员|收银员|快递员|外卖员|保安|保洁|农民|工人|电工|木工|焊工|裁缝|木匠|铁匠|石匠|渔民|校长|院长|园长|列车员|售货员|售票员|理发师|美容师|化妆师|模特|主播"
    "|博主|自由职业者|个体户|创业者|全职妈妈|全职太太|家庭主妇|药剂师|牙医|兽医|心理咨询师|咨询师|治疗师|建筑师|策划|文员|秘书|前台|人事"
    "|财务|出纳|审计|客服|运营|开发者?|测试|架构师|实习生|志愿者|飞行员|空姐|空乘|海员|消防员|法官|检察官|公证员|社工|幼师|班主任"
    "|图书管理员|插画师|漫画家|音乐家|钢琴师|调酒师|咖啡师|面包师|糕点师|园丁|花艺师|退休工人|退休教师|股民|投资人|基金经理|交易员)"
)
_CONDITION = (
    "(?:糖尿病|高血压|高血脂|高血糖|低血糖|低血压|哮喘|癫痫|关节炎|偏头痛|鼻炎|胃炎|胃病|胃溃疡|心脏病|冠心病|甲亢|甲减|抑郁症|焦虑症"
    "|失眠症?|强迫症|湿疹|荨麻疹|银屑病|痛风|贫血|颈椎病|腰椎间盘突出|肾结石|胆结石|脂肪肝|乙肝|近视|远视|散光|色盲|色弱|白内障|青光眼"
    "|夜盲|耳鸣|过敏体质|过敏性鼻炎|花粉过敏|哮喘病|多动症|自闭症|阅读障碍|幽闭恐惧症|恐高症|恐高|乳糖不耐受?|甲状腺结节|鼻窦炎|咽炎)"
)
_FUTURE = (
    "(?:下(?:个)?(?:周|星期|礼拜|月|学期|季度)[一二三四五六日天末]?|明年|后年|明天|后天|大后天|这个?周末|周末|年底|月底|[今明]年?[春夏秋冬]天"
    "|过(?:几|两|一)(?:天|周|个?月)|(?:今年|明年)?(?:[一二三四五六七八九十]+|\\d+)月(?:份|底|初|中旬)?|(?:[一两三四五六\\d]+个?(?:天|周|星期|月|年)后)"
    "|毕业后|放假后?|暑假|寒假|国庆|春节|过年|五一|十一|端午|中秋)"
)
_LOOSE = re.compile(
    "^(?:你|您|他|她|它|我|这|那|上你|咱|什么|谁|怎么|哪|啥|自己|一下|的|了|过|着|吗|呢|吧|啊|跟你|和你|听你|看你|到|得|被|让|上了|死"
    "|不|没|是|说|就|死了|同|把|别人|大家|有人)"
)
_PLACE_NO = re.compile(
    "^(?:你|您|他|她|这|那|哪|一起|家里|同|学校里|外面|医院|酒店|宾馆|里面|楼|了|的|下一|新的|沙发|床|地上|车|心|梦|过去|后面|前面|一个"
    "[^市县区村镇城小房公平农楼]|手机|电脑|隔壁)"
)
# Before the statement in its sentence: a condition, a guess, a wish, a time that is over, or another who says it.
_DOUBT = re.compile(
    "如果|要是|假如|假设|万一|倘若|若是|若|要不是|就算|即使|哪怕|希望|但愿|想象|幻想|梦见|梦到|好像|似乎|听说|据说|或许|也许|可能|大概|恨不得"
    "|以前|之前|从前|原来|原先|曾经|小时候|当时|那时|那会儿|过去|当年|那年|以为|觉得|认为|怀疑|说|问|告诉|让|叫|猜|谁|怎么|为什么|为啥|是不是"
    "|除非|只要|一旦|每当|每次|当$|看起来|有时候?|偶尔|是否|有没有|不知道|不确定|难道|仿佛|本来"
)
# Inside or after the value: a part of a bigger phrase, or what is over.
_OVER = re.compile(
    "^(?:的时候|那会儿|那时|那年|那几年|那段|期间|的日子|的那|时[，,]|之前|以前|的话|似的|一样|一般的|的原因|吗|么|嘛\\?)"
    "|的话|是假的|开玩笑|骗你|才怪|那时候|的时候|的那段|年前|就好了|该多好|小说里|游戏里|梦里"
)
_PAST = re.compile("以前|之前|从前|原来|曾经|小时候|当时|那时|过去|当年|那会儿|上大学时|年轻时")
_SENTENCE_END = re.compile("[。！？!?；;\n…]+|\\.(?=\\s|$)")
_ASKS = re.compile("[?？]|[吗么呢]\\s*[。~～]?\\s*$|对吧|是吧|对不对|好不好|是不是|有没有|能不能|会不会")
_CLAUSE = re.compile("[，,；;—]")


_TRANSIENT = re.compile(
    "^素|今天|现在|早饭|晚饭|午饭|早餐|晚餐|午餐|饭$|东西|这|那|任何|你|下$|准|饱|惯|消|亏|苦|醋|老本|香$|透|到$|这套"
)


def _plain(value: str) -> bool:
    return not _LOOSE.match(value)


def _liked(value: str) -> bool:
    """Whether somebody can be said to like it, rather than one who is there or what was said just before."""
    return _plain(value) and not re.search("[这那]|你|您|的人$|的[^，]*(?:了|吗)$|上了$|极了$|得", value)


def _lived(value: str) -> bool:
    return not _PLACE_NO.match(value) and not re.search("[这那]里|时候|时[，,]?$|过$|院$|[天晚夜周]$", value)


def _named(value: str) -> bool:
    return not re.match("[了他她它你您我人车外不什啥这那谁个一大做得过着醒来你饿]|自己|别人|朋友|老师$", value)


def _from(value: str) -> bool:
    return not re.search(
        "[个的位种名了不]|^(?:男|女|成年|老年|年轻|大|小|好|坏|病|主|本地|外地|普通|家里|内向|外向|单亲|聪明|懒|新|路|两)",
        value,
    )


def _worked(value: str) -> bool:
    return not re.match(
        "家$|家里|.*份$|找|思考|当前|考虑|这|那|你|您|一起|努力|认真|想|忙|准备|外面$|学习|哪|办公室$|电脑|晚上|图书馆$|公司$|单位$|考虑|床上",
        value,
    )


Row = tuple[Section, str, str, bool, Callable[[str], bool] | None]


def _rules(*rows: Row) -> tuple[Rule, ...]:
    """Return the rules of rows: section, slot, pattern, whether it has one value, and what its value must satisfy."""
    return tuple(
        Rule(section=section, slot=slot, pattern=re.compile(pattern), single=single, holds=holds or _any)
        for section, slot, pattern, single, holds in rows
    )


def _any(value: str) -> bool:
    return True


_ROWS: tuple[Row, ...] = (
    (
        "identity",
        "marital status",
        f"{_ADVERB}(?P<value>结婚|离婚)(?:已经)?(?:快)?[\\d一二两三四五六七八九十几多]+年了?(?=[，。！,.!、]|$)",
        True,
        None,
    ),
    (
        "work",
        "occupation",
        f"{_ADVERB}开(?:了|着)(?P<value>[一两]?[家间个][^，。！？,.!?]{{0,8}}?(?:店|公司|馆|厂|工作室|诊所)){_END}",
        True,
        None,
    ),
    ("work", "occupation", f"{_ADVERB}在[^，。！？,.!?]{{1,12}}?(?:当|做)(?P<value>{_JOB}){_END}", True, None),
    ("work", "employer", f"{_ADVERB}(?P<value>被(?:裁员?|辞退|解雇|开除))了?(?=[，。！,.!、]|$)", True, None),
    (
        "work",
        "study",
        f"{_ADVERB}在?读(?P<value>大[一二三四]|高[一二三]|初[一二三]|研[一二三]|研究生|博士|硕士|本科){_END}",
        True,
        None,
    ),
    (
        "health",
        "allergy",
        f"{_ADVERB}一(?:吃|碰|闻到|喝)(?P<value>[^，。！？,.!?]{{1,8}}?)就(?:会)?过敏",
        False,
        _plain,
    ),
    ("health", "condition", f"{_ADVERB}(?P<value>血压偏?高|血糖偏?高|血脂偏?高)", False, None),
    (
        "constraints",
        "faith",
        f"{_ADVERB}(?:是(?:一名|个)?)?(?P<value>信佛|信教|信基督|穆斯林|基督徒|佛教徒|回民)(?=[，。！,.!、的]|$)",
        True,
        None,
    ),
    (
        "plans",
        "plan",
        f"{_ADVERB}准备(?P<value>(?:考|买|学|换|搬|结婚|出国|辞职|留学|创业|开店|申请|报名)[^，。！？,.!?]{{0,20}})",
        False,
        None,
    ),
    (
        "identity",
        "name",
        f"{_ADVERB}(?:的名字|名字)?(?:叫做?|名叫)(?P<value>[\\u4e00-\\u9fffA-Za-z·]{{1,8}}?){_END}",
        True,
        _named,
    ),
    (
        "identity",
        "name",
        f"的(?:名字|真名|全名)(?:是|叫)(?P<value>[\\u4e00-\\u9fffA-Za-z·]{{1,8}}?){_END}",
        True,
        _named,
    ),
    ("identity", "name", f"姓(?P<value>[\\u4e00-\\u9fff]{{1,2}}){_END}", True, None),
    (
        "identity",
        "age",
        f"{_ADVERB}(?:满|快满|快)?(?P<value>(?:\\d{{1,2}}|[一二三四五六七八九十]{{1,3}})(?:多)?岁)"
        "(?!的时候|时|那|以前|之前|前|起|开始|的我|就|才)",
        True,
        None,
    ),
    ("identity", "birthday", "的?生日(?:是|在)(?P<value>(?:农历|阴历|阳历)?[^，。！？,.!?]{2,12})", True, _plain),
    (
        "identity",
        "residence",
        f"{_ADVERB}(?:住在|住到|定居在?|居住在|搬到|搬去|搬来|搬进|搬回|移居|落户在?)了?{_VALUE}",
        True,
        _lived,
    ),
    (
        "identity",
        "residence",
        f"{_ADVERB}(?:不住在?|不在)(?P<value>[^，。！？,.!?]{{1,15}}?)(?:住)?了(?=[，。！,.!]|$)",
        True,
        _lived,
    ),
    (
        "identity",
        "origin",
        f"{_ADVERB}是(?:土生土长的?|地道的?|地地道道的?)?(?P<value>[\\u4e00-\\u9fff]{{2,6}}人){_END}",
        True,
        _from,
    ),
    ("identity", "origin", f"{_ADVERB}来自{_VALUE}", True, _plain),
    ("identity", "origin", f"的?(?:老家|家乡|故乡)(?:就?在|是){_VALUE}", True, _plain),
    (
        "identity",
        "birthday",
        f"{_ADVERB}是?(?P<value>(?:\\d{{4}}|\\d{{2}})年(?:\\d{{1,2}}月)?(?:\\d{{1,2}}[日号])?)(?:出)?生",
        True,
        None,
    ),
    (
        "identity",
        "marital status",
        f"{_ADVERB}(?:是)?(?P<value>结婚|离婚|离异|单身|已婚|未婚|订婚)(?:的|了)?(?=[，。！,.!、]|$|已经)",
        True,
        None,
    ),
    ("identity", "marital status", f"{_ADVERB}(?:是)?(?P<value>单身狗?|离异)(?=[，。！,.!、]|$)", True, None),
    (
        "identity",
        "language",
        f"{_ADVERB}会(?:说|讲)(?P<value>[^，。！？,.!?]{{1,12}}?(?:语|话|文)){_END}",
        False,
        _plain,
    ),
    (
        "work",
        "employer",
        f"{_ADVERB}在(?P<value>[^，。！？,.!?住]{{1,20}}?)(?:工作|上班|任职|就职|打工|实习|教书|当老师|当医生)"
        "(?!的时候|时|过)",
        True,
        _worked,
    ),
    ("work", "employer", f"{_ADVERB}(?:入职|跳槽到|跳槽去|加入|加盟|应聘上|考上)了?{_VALUE}", True, _plain),
    ("work", "employer", f"{_ADVERB}(?P<value>辞职|失业|退休|离职|被裁|下岗)了?(?=[，。！,.!、]|$)", True, None),
    (
        "work",
        "occupation",
        f"{_ADVERB}(?:是|当|做)(?:了)?(?:一名|一个|一位|个|名|位|[^，。！？,.!?这那]{{0,10}}的)?"
        f"(?P<value>[^，。！？,.!?是这那你他她的]{{0,8}}?{_JOB}){_END}",
        True,
        None,
    ),
    ("work", "occupation", f"的(?:工作|职业)是{_VALUE}", True, _plain),
    (
        "work",
        "occupation",
        f"{_ADVERB}(?:从事|做){_VALUE}(?=的|工作|行业)",
        True,
        lambda v: _plain(v) and v.endswith(("行业", "工作")),
    ),
    (
        "work",
        "study",
        f"{_ADVERB}在(?P<value>[^，。！？,.!?]{{2,15}}?)(?:读书|上学|念书|读研|读博|读大学|上大学|留学|就读)(?!的时候|时|过)",
        True,
        _worked,
    ),
    (
        "work",
        "study",
        f"{_ADVERB}(?:学|读|主修)的?(?:专业)?(?:的是|是)(?P<value>[^，。！？,.!?]{{2,12}}?)(?:专业)?{_END}",
        True,
        _plain,
    ),
    ("work", "study", f"的专业是{_VALUE}", True, _plain),
    (
        "health",
        "allergy",
        f"{_ADVERB}对(?P<value>[^，。！？,.!?]{{1,20}}?){_ADVERB}(?:会)?(?:严重)?过敏",
        False,
        _plain,
    ),
    (
        "health",
        "allergy",
        f"{_ADVERB}(?P<value>[^，。！？,.!?对]{{1,8}}?)过敏(?=[，。！,.!、]|$)",
        False,
        lambda v: _plain(v) and not re.search("[吃喝了又会没]", v),
    ),
    (
        "health",
        "condition",
        f"{_ADVERB}(?:有|得了|患有?|患了|查出了?|被?确诊了?(?:为|是)?|是)(?:严重的?|轻度的?|轻微的?|先天性?的?|慢性"
        f"|一点|点|多年的?|老|遗传性?)?(?P<value>{_CONDITION})",
        False,
        None,
    ),
    (
        "health",
        "condition",
        f"{_ADVERB}(?P<value>恐高|晕车|晕船|乳糖不耐受?|近视|怀孕|色盲|怕高)(?:了)?(?=[，。！,.!、]|$|\\d)",
        False,
        None,
    ),
    (
        "constraints",
        "diet",
        f"{_ADVERB}(?:是)?(?:一个|一名|个)?(?P<value>吃素|素食主义者|素食者|纯素食者|吃全素|吃斋|吃清真|不再吃素|不吃素)"
        "(?:的|了)?(?=[，。！,.!、]|$|已经|\\d|好)",
        True,
        None,
    ),
    (
        "constraints",
        "avoids",
        f"{_ADVERB}(?:不能|不|忌|戒|戒掉|从不|不会|不可以|不敢|没法|不爱)(?:再)?(?:吃|喝|碰|抽)(?:了)?"
        f"(?P<value>[^，。！？,.!?了]{{1,15}}?){_END}",
        False,
        lambda v: _plain(v) and not _TRANSIENT.search(v),
    ),
    ("constraints", "avoids", f"{_ADVERB}(?:戒|戒掉)了?(?P<value>烟酒|烟|酒|糖|咖啡|奶茶|甜食|游戏)", False, None),
    (
        "constraints",
        "cannot",
        f"{_ADVERB}不会(?P<value>开车|游泳|骑车|骑自行车|做饭|说英语|喝酒|抽烟)(?=[，。！,.!、]|$)",
        False,
        None,
    ),
    (
        "preferences",
        "likes",
        f"{_ADVERB}(?:喜欢|喜爱|热爱|偏爱|酷爱|爱好|钟爱|迷上了?|爱上了?|痴迷于?|沉迷于?|爱(?=吃|喝|看|听|玩|读|打|去)){_VALUE}",
        False,
        _liked,
    ),
    (
        "preferences",
        "likes",
        f"{_ADVERB}(?:不太|不怎么|不大|不是很|不|不再)(?:喜欢|爱(?=吃|喝|看|听|玩|读|打|去)){_VALUE}",
        False,
        _liked,
    ),
    ("preferences", "likes", f"{_ADVERB}(?:讨厌|受不了|反感|厌恶|痛恨|不习惯){_VALUE}", False, _liked),
    (
        "preferences",
        "likes",
        f"对(?P<value>[^，。！？,.!?你这那]{{1,12}}?){_ADVERB}(?:感兴趣|着迷|情有独钟)",
        False,
        _plain,
    ),
    ("preferences", "likes", f"的(?:业余|兴趣|个人)?(?:爱好|兴趣)(?:就?是|有|包括){_VALUE}", False, _liked),
    (
        "preferences",
        "favourite",
        "最(?:喜欢|爱)的(?P<value>[^，。！？,.!?是]{1,10})(?:就?是|有)(?![^，。！？]*[这那你])",
        False,
        _plain,
    ),
    (
        "people",
        "relation",
        f"(?:的|家)?(?P<value>(?:{CHINESE_KIN}){_ADVERB}(?:叫(?![我他她你人])|名叫|是(?:一名|一位|个|一个)?[^，。！？,.!?]"
        f"{{0,8}}?{_JOB}|住在|定居在?|在[^，。！？,.!?]{{1,12}}?(?:工作|上班|教书|读书|上学|上大学|读大学|留学)"
        f"|[今已]?年?\\d{{1,2}}岁)[^，。！？,.!?]{{0,15}})",
        False,
        lambda v: not re.search("是不是|说|叫(?:了|过|醒|我|大家)|的时候", v),
    ),
    (
        "people",
        "relation",
        f"{_ADVERB}有(?:了)?(?P<value>(?:一|两|二|三|四|1|2|3)?(?:个|位)(?:[^，。！？,.!?的]{{0,5}})?(?:哥哥|弟弟|姐姐|妹妹|儿子"
        f"|女儿|孩子|闺女|双胞胎|孙子|孙女|女朋友|男朋友|表哥|表姐|表弟|表妹|堂哥|堂弟|侄子|侄女|外甥)){_END}",
        False,
        None,
    ),
    (
        "people",
        "pet",
        f"{_ADVERB}养(?:了|着)?(?P<value>(?:一|两|二|三|几)?(?:只|条|匹|缸|群)[^，。！？,.!?]{{1,12}})",
        False,
        None,
    ),
    (
        "people",
        "pet",
        "(?:的|家的?)?(?P<value>(?:猫|狗|小猫|小狗|猫咪|狗狗|宠物|兔子|鹦鹉|仓鼠)叫[^，。！？,.!?]{1,8})",
        False,
        lambda v: not re.search("叫(?:个|了|得|着|声|起来)", v),
    ),
    (
        "plans",
        "plan",
        f"{_ADVERB}(?:打算|计划着?|决定){_VALUE}",
        False,
        lambda v: _plain(v) and not v.startswith(("不了", "好了", "再说", "看看", "休息", "睡", "明天再说")),
    ),
    (
        "plans",
        "plan",
        f"{_ADVERB}(?:准备|要|会|将|将要|想|去|就要|马上要)?{_FUTURE}(?:就|再|准备|打算|要|会|将|想去|去|开始){_VALUE}",
        False,
        _plain,
    ),
    ("plans", "plan", f"{_ADVERB}(?:准备|要|将|会|预计){_FUTURE}{_VALUE}", False, _plain),
)
# What may stand between subject and verb is read once for all rules that begin with it.
_LEAD = re.compile(_ADVERB)
_AFTER_ADVERBS = _rules(*((*r[:2], r[2].removeprefix(_ADVERB), *r[3:]) for r in _ROWS if r[2].startswith(_ADVERB)))
_DIRECT = _rules(*(r for r in _ROWS if not r[2].startswith(_ADVERB)))
_FUTURE_FIRST = re.compile(f"{_FUTURE}$")
_WILL = re.compile(f"(?:就|准备|打算|要|会|将|得|想)(?:和|跟|去|带)?{_VALUE}")
_PLAN = Rule(section="plans", slot="plan", pattern=_WILL, holds=_plain)


_CALL = re.compile(r"叫我(?P<value>[\u4e00-\u9fff]{2,4}?)(?=就行|就好|吧|就可以|好了|即可)")
_NAME = Rule(section="identity", slot="name", pattern=_CALL, single=True, holds=_named)


def may_state(text: str) -> bool:
    """Return whether *text* may hold a statement: cheap."""
    return "我" in text or TRIGGER.search(text) is not None


def statements(text: str, original: str) -> Iterator[Statement]:
    """Yield the statements of *text*: *original* with quotations blanked."""
    told: set[tuple[str, int]] = set()
    for called in _CALL.finditer(text) if "叫我" in text else ():
        if _named(called["value"]) and not _DOUBT.search(
            text, sentence_around(text, called.start(), _SENTENCE_END).start, called.start()
        ):
            yield Statement(
                section=_NAME.section,
                slot=_NAME.slot,
                single=True,
                span=sentence_around(text, called.start(), _SENTENCE_END),
                value=original[called.start("value") : called.end("value")],
            )
    for subject in TRIGGER.finditer(text):
        for rule, value in _matches(text, subject):
            span = sentence_around(text, subject.start(), _SENTENCE_END)
            key = (rule.slot, value.end)
            if key not in told and _is_stated(text, span, subject.start(), value):
                told.add(key)
                yield Statement(
                    section=rule.section,
                    slot=rule.slot,
                    single=rule.single,
                    span=span,
                    value=original[value.start : value.end].strip(),
                )


def _matches(text: str, subject: re.Match[str]) -> Iterator[tuple[Rule, Span]]:
    """Yield the rules that go on from a subject, with where their value stands."""
    adverbs = _LEAD.match(text, subject.end())
    after = subject.end() if adverbs is None else adverbs.end()
    for rules, place in ((_AFTER_ADVERBS, after), (_DIRECT, subject.end())):
        for rule in rules:
            match = rule.pattern.match(text, place)
            if match is not None and rule.holds(match["value"]):
                yield rule, Span(start=match.start("value"), end=match.end("value"))
    if _FUTURE_FIRST.search(text, max(0, subject.start() - 8), subject.start()):
        match = _WILL.match(text, subject.end())
        if match is not None and _plain(match["value"]):
            yield _PLAN, Span(start=match.start("value"), end=match.end("value"))


def _is_stated(text: str, span: Span, subject: int, value: Span) -> bool:
    """Whether a match is said as a fact: no question, condition, wish, report, nor of a time that is over."""
    before, said, after = text[span.start : subject], text[subject : value.end], text[value.end : span.end]
    if _DOUBT.search(before) or _PAST.search(said) or _OVER.search(after) or "时候" in said:
        return False
    clause = _CLAUSE.split(after)[0]
    if _ASKS.search(said) or _ASKS.search(clause):
        return False
    if not _ASKS.search(text[span.start : span.end]):
        return True
    # A question may come after a statement: 我对花生过敏，能吃什么点心？
    return not before.strip(" ，,") and bool(_CLAUSE.search(after)) and len(after) > 5
