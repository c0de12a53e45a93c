"""Words for the people around a speaker: kin, friends, colleagues, neighbours.

A closed class, so that a list will do: "my sister moved to Rome" is not about where the speaker lives.
"""

from __future__ import annotations

import re

_ENGLISH = (
    "mum mom mommy mother dad daddy father parent parents stepmother stepfather sister brother sibling siblings "
    "twin twins aunt auntie uncle cousin cousins nephew niece gran granny grandma grandmother grandpa grandad "
    "grandfather grandparents grandson granddaughter nan son sons daughter daughters kid kids child children "
    "baby wife husband spouse partner girlfriend boyfriend fiance fiancee ex friend friends mate mates buddy "
    "pal flatmate flatmates roommate roommates housemate neighbor neighbors neighbour neighbours colleague "
    "colleagues coworker coworkers boss manager supervisor landlord landlady tenant teacher tutor professor "
    "lecturer classmate classmates teammate coach doctor dentist lawyer accountant agent hairdresser barber "
    "therapist nurse vet priest godson goddaughter godmother godfather relatives family guy lad lady man woman "
    "people"
)
_IN_LAW = r"(?:mother|father|sister|brother|son|daughter)-in-law|in-laws"
KIN = "|".join((_IN_LAW, *sorted(_ENGLISH.split(), key=len, reverse=True)))

_CHINESE = (
    "爸爸 妈妈 父亲 母亲 父母 爸 妈 爹 娘 爷爷 奶奶 姥姥 姥爷 外公 外婆 公公 婆婆 岳父 岳母 丈人 哥哥 弟弟 姐姐 "
    "妹妹 哥 弟 姐 妹 叔叔 伯伯 阿姨 姨妈 舅舅 姑姑 叔 伯 姨 舅 姑 嫂子 嫂 姐夫 妹夫 侄子 侄女 外甥 表哥 表弟 "
    "表姐 表妹 堂哥 堂弟 堂姐 堂妹 儿子 女儿 闺女 孩子 孙子 孙女 老公 老婆 爱人 丈夫 妻子 先生 太太 媳妇 女朋友 "
    "男朋友 对象 未婚夫 未婚妻 前任 前夫 前妻 朋友 闺蜜 发小 哥们儿 哥们 同事 同学 同桌 室友 舍友 邻居 领导 "
    "老板 上司 经理 主管 老师 导师 教授 班长 师傅 师兄 师姐 师弟 师妹 房东 房客 亲戚 亲家 医生 教练 老伴 队友 "
    "客户 学生"
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
    rf"|(?:grandma|grandpa|grandad|gran|granny|nan|nana|mum|mom|mama|ma|dad|da|papa|pa|auntie)\b)",
    re.IGNORECASE,
)
_CHINESE_SUBJECT = re.compile(
    rf"^[^\w]*(?:(?:我|我们|咱|咱们|俺)(?:{_CHINESE_WHICH}){{0,3}}|(?:{_CHINESE_WHICH}){{0,3}})(?:{CHINESE_KIN})"
)
_MENTION = re.compile(rf"\b(?:{KIN}|we|our|us|ours)\b", re.IGNORECASE)
_CHINESE_MENTION = re.compile(f"{CHINESE_KIN}|我们|咱们?")


def is_about_someone_else(statement: str) -> bool:
    """Return whether the subject at the head of *statement* is a person around its speaker."""
    return bool(_SUBJECT.match(statement) or _CHINESE_SUBJECT.match(statement))


def mentions_someone_else(question: str) -> bool:
    """Return whether *question* mentions a person around its speaker anywhere, or the speaker as one of several."""
    return bool(_MENTION.search(question) or _CHINESE_MENTION.search(question))
