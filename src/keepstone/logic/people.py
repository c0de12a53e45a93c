"""Words for the people around a speaker: kin, friends, colleagues, neighbours.

A closed class, so that a list will do: "my sister moved to Rome" is not about where the speaker lives.
"""

from __future__ import annotations

import re
from functools import lru_cache

_ENGLISH = (
    "mum mom mommy mother dad daddy father parent parents stepmother stepfather sister brother sibling siblings "
    "twin twins aunt auntie uncle cousin cousins nephew niece gran granny grandma grandmother grandpa grandad "
    "grandfather grandparents grandson granddaughter nan son sons daughter daughters kid kids child children "
    "baby wife husband spouse partner girlfriend boyfriend fiance fiancee ex friend friends mate mates buddy "
    "pal flatmate flatmates roommate roommates housemate neighbor neighbors neighbour neighbours colleague "
    "colleagues coworker coworkers boss manager supervisor landlord landlady tenant teacher tutor professor "
    "lecturer classmate classmates teammate coach doctor dentist lawyer accountant agent hairdresser barber "
    "therapist nurse vet priest godson goddaughter godmother godfather relatives family guy lad lady man woman "
    "people girl girls boy boys folks youngest eldest"
)
_IN_LAW = r"(?:mother|father|sister|brother|son|daughter)-in-law|in-laws"
KIN = "|".join((_IN_LAW, *sorted(_ENGLISH.split(), key=len, reverse=True)))

_CHINESE = (
    "爸爸 妈妈 父亲 母亲 父母 爸 妈 爹 娘 爷爷 奶奶 姥姥 姥爷 外公 外婆 公公 婆婆 岳父 岳母 丈人 哥哥 弟弟 姐姐 "
    "妹妹 哥 弟 姐 妹 叔叔 伯伯 阿姨 姨妈 舅舅 姑姑 叔 伯 姨 舅 姑 嫂子 嫂 姐夫 妹夫 侄子 侄女 外甥 表哥 表弟 "
    "表姐 表妹 堂哥 堂弟 堂姐 堂妹 儿子 女儿 闺女 孩子 孙子 孙女 老公 老婆 爱人 丈夫 妻子 先生 太太 媳妇 女朋友 "
    "男朋友 对象 未婚夫 未婚妻 前任 前夫 前妻 朋友 闺蜜 发小 哥们儿 哥们 同事 同学 同桌 室友 舍友 邻居 领导 "
    "老板 上司 经理 主管 老师 导师 教授 班长 师傅 师兄 师姐 师弟 师妹 房东 房客 亲戚 亲家 医生 教练 老伴 队友 "
    "客户 学生 丈母娘 老丈人 小姑娘 丫头 臭小子 爸妈 继母 继父 后妈 后爸"
)
CHINESE_KIN = "|".join(sorted(_CHINESE.split(), key=len, reverse=True))
# What may stand between "my" and the person: "my old school friend", 我高中同桌, 我对门的大姐.
_CHINESE_WHICH = (
    "(?:们|的|家|那个|那位|大|小|老|高中|大学|初中|小学|公司|单位|隔壁|楼上|楼下|对门|对面|对床|男|女|以前|前)"
)

# The subject at the head of a statement.
_SUBJECT = re.compile(
    rf"^\W*(?:(?:and|but|so|well|oh|also|btw|today|yesterday)\W+)?"
    rf"(?:(?:my|our|the|a|an|one of my)\s+(?:[\w'’]+\s+){{0,2}}?(?:{KIN})\b"
    rf"|(?:uncle|aunt|auntie|cousin|grandma|grandpa)\s(?-i:[A-Z])[\w'’-]+"
    rf"|(?:grandma|grandpa|grandad|gran|granny|nan|nana|mum|mom|mama|ma|dad|da|papa|pa|auntie)\b)",
    re.IGNORECASE,
)
_CHINESE_SUBJECT = re.compile(
    rf"^[^\w]*(?:(?:我|我们|咱|咱们|俺)(?:{_CHINESE_WHICH}){{0,3}}|(?:{_CHINESE_WHICH}){{0,3}})(?:{CHINESE_KIN})"
)
_MENTION = re.compile(rf"\b(?:{KIN}|we|our|us|ours)\b", re.IGNORECASE)
_CHINESE_MENTION = re.compile(f"{CHINESE_KIN}|我们|咱们?")

# One relation a line, in the words of both languages; the words after a colon are wider and fit it as well.
_RELATIONS = """
mother: parent family relatives | mum mom mommy mother mama stepmother stepmum stepmom | 妈妈 母亲 妈 娘 老妈 继母 后妈
father: parent family relatives | dad daddy father papa stepfather stepdad | 爸爸 父亲 爸 爹 老爸 继父 后爸
parent: family relatives | parent parents folks | 父母 爸妈 爹妈
sister: sibling family relatives | sister | 姐姐 妹妹 姐 妹 姐妹
brother: sibling family relatives | brother | 哥哥 弟弟 哥 弟 兄弟
sibling: family relatives | sibling siblings | 兄弟姐妹
elder_sister: sister | | 姐姐 大姐 二姐
younger_sister: sister | | 妹妹 小妹
elder_brother: brother | | 哥哥 大哥 二哥
younger_brother: brother | | 弟弟 小弟
grandmother: family relatives grandparent | gran granny grandma grandmother nan nana | 奶奶 姥姥 外婆
grandfather: family relatives grandparent | grandpa grandad grandfather | 爷爷 姥爷 外公
grandparent: family relatives | grandparents |
aunt: family relatives | aunt auntie | 阿姨 姨妈 姑姑 舅妈
uncle: family relatives | uncle | 叔叔 伯伯 舅舅 叔 舅
cousin: family relatives | cousin cousins | 表哥 表弟 表姐 表妹 堂哥 堂弟 堂姐 堂妹
nephew: family relatives | nephew | 侄子 外甥
niece: family relatives | niece | 侄女 外甥女
grandson: grandchild family relatives | grandson grandsons | 孙子 外孙
granddaughter: grandchild family relatives | granddaughter granddaughters | 孙女 外孙女
mother-in-law: family relatives | | 岳母 丈母娘 婆婆
father-in-law: family relatives | | 岳父 丈人 老丈人 公公
sister-in-law: family relatives | | 嫂子 弟妹 小姑子 小姨子
brother-in-law: family relatives | | 姐夫 妹夫 小舅子
son: child family | son sons boy boys | 儿子 臭小子
daughter: child family | daughter daughters girl girls | 女儿 闺女 丫头 小姑娘
child: family | kid kids child children youngest eldest | 孩子 小孩 宝宝 娃
wife: spouse family | wife | 老婆 妻子 太太 媳妇
husband: spouse family | husband | 老公 丈夫
spouse: family | spouse partner | 爱人 对象 伴侣 配偶 老伴
girlfriend: spouse | girlfriend | 女朋友 女友
boyfriend: spouse | boyfriend | 男朋友 男友
friend: | friend friends mate mates buddy pal | 朋友 好友 闺蜜 发小 哥们儿 哥们
flatmate: | flatmate flatmates roommate roommates housemate | 室友 舍友
neighbour: | neighbor neighbors neighbour neighbours | 邻居
colleague: | colleague colleagues coworker coworkers | 同事
boss: | boss manager supervisor | 老板 领导 上司 主管 经理
landlord: | landlord landlady | 房东
teacher: | teacher tutor professor lecturer | 老师 导师 教授
classmate: | classmate classmates | 同学 同桌
coach: | coach | 教练
doctor: | doctor | 医生 大夫
"""


def _relation_words() -> tuple[dict[str, frozenset[str]], dict[str, frozenset[str]]]:
    words: dict[str, set[str]] = {}
    wider: dict[str, frozenset[str]] = {}
    for line in _RELATIONS.strip().splitlines():
        head, english, chinese = (part.strip() for part in line.split("|"))
        name, _, above = head.partition(":")
        wider[name] = frozenset(above.split())
        for word in f"{english} {chinese}".split():
            words.setdefault(word, set()).add(name)
    return {word: frozenset(names) for word, names in words.items()}, wider


_RELATION_OF, _WIDER = _relation_words()
# "My doctor" is a relation, "a doctor" is a trade: such words name a person only of somebody.
_RELATION = re.compile(
    r"\b(?P<in_law>(?:mother|father|sister|brother|son|daughter)-in-law)\b"
    rf"|\b(?P<en>{'|'.join(sorted((w for w in _RELATION_OF if w.isascii()), key=len, reverse=True))})s?\b"
    rf"|(?P<zh>{'|'.join(sorted((w for w in _RELATION_OF if not w.isascii() and len(w) > 1), key=len, reverse=True))}"
    # A single character is a part of other words, except after whose it is.
    rf"|(?:^"
    rf"|(?<=[我你他她咱俺您家的户和跟与给，。和是大二三小老送带接陪]))"
    rf"[{''.join(w for w in _RELATION_OF if len(w) == 1)}])",
    re.IGNORECASE,
)


def relations(text: str) -> dict[str, frozenset[str]]:
    """Return the people around a speaker that *text* names by their relation: the word, and which relations it may be.

    *text* is in simplified characters.
    """
    return {text[start:end].lower(): meant for start, end, meant in relation_spans(text)}


@lru_cache(maxsize=1024)
def relation_spans(text: str) -> tuple[tuple[int, int, frozenset[str]], ...]:
    """Return where *text* names people around a speaker by their relation, and which relations each may be."""
    return tuple(
        (match.start(), match.end(), _RELATION_OF.get(word.lower(), frozenset({word.lower()})))
        for match in _RELATION.finditer(text)
        for word in (match["in_law"] or match["en"] or match["zh"],)
    )


def names_relation(meant: frozenset[str], told: frozenset[str]) -> bool:
    """Return whether a word for the relations *meant* may name one of *told*: the same, or a wider one."""
    reached, further = set(told), set(told)
    while further:
        further = {above for name in further for above in _WIDER.get(name, ())} - reached
        reached |= further
    return bool(meant & reached)


PEOPLE_WORDS = frozenset(_ENGLISH.split())
CHINESE_PEOPLE_WORDS = frozenset(_CHINESE.split())


def is_about_someone_else(statement: str) -> bool:
    """Return whether the subject at the head of *statement* is a person around its speaker."""
    return bool(_SUBJECT.match(statement) or _CHINESE_SUBJECT.match(statement))


def mentions_someone_else(question: str) -> bool:
    """Return whether *question* mentions a person around its speaker anywhere, or the speaker as one of several."""
    return bool(_MENTION.search(question) or _CHINESE_MENTION.search(question))
