"""Proper names in a fact, and whether they were ever said.

A capital makes a name, except where a sentence begins; of Chinese names there is no such mark, so that there only
what was never said is looked at, and where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepstone.logic.distillation.grounds import Grounds
from keepstone.logic.distillation.reading import HAN_RUN, WORD
from keepstone.logic.distillation.wording import GENERIC, GENERIC_CHARACTERS, OPENERS, without_generic
from keepstone.logic.people import PEOPLE_WORDS
from keepstone.logic.text import CJK, STOP_WORDS, stem
from keepstone.logic.times import vocabulary as en

_SENTENCE_START = re.compile(
    r"(?:^|(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bMrs)(?<!\bProf)\.|[!?;:。！？；：\n(\[\"“]|(?<!\w)['‘])\s*$"
)
CALENDAR_WORDS = frozenset((*en.WEEKDAYS, *en.MONTHS, *(d + "s" for d in en.WEEKDAYS)))
_SHORT = frozenset(
    "mon tue tues wed thu thur thurs fri sat sun jan feb mar apr jun jul aug sep sept oct nov dec".split()
)
_ROLES = frozenset("user users assistant ai mr mrs ms miss dr prof professor sir madam am pm ok us".split())
# What may stand in Latin letters in Chinese text without having been said so.
_FREE_LATIN = frozenset("app ai ok id km kg cm pm am vs no".split())
_DEMONYM = ("an", "ian", "ean", "ese", "ish", "i", "er", "ic")
_PEOPLES = tuple(
    frozenset(line.split())
    for line in (
        "france french",
        "spain spanish spaniard",
        "netherlands holland dutch",
        "greece greek",
        "wales welsh",
        "denmark danish dane",
        "switzerland swiss",
        "uk britain british england english",
        "us usa america american states",
        "philippines filipino filipina",
        "thailand thai",
        "china chinese",
        "turkey turkish",
        "ireland irish",
        "poland polish",
        "portugal portuguese",
        "finland finnish",
        "sweden swedish",
        "new york newyork nyc",
    )
)
_VERB_AFTER = frozenset(
    "is was has had will are were can could would should does did and or lives works likes loves wants says said told "
    "gave plans moved got became sold bought left met took made went came knew saw found lost kept "
    "began ran read wrote spoke "
    "broke chose drove flew grew paid sent spent taught thought won wore from teaches just also really never".split()
)
_ORDINARY_ENDING = ("ing", "ed", "ly", "s", "tion", "ment", "ness")
PREFIX = 6


def strange_name(text: str, grounds: Grounds) -> str | None:
    """Return the first name in *text*, in simplified characters, that nothing it rests on holds; None without one."""
    chinese = len(HAN_RUN.findall(text)) > 0
    for token, start in _candidates(text, chinese):
        if not _is_said(token, grounds) and not _joined(text, start, token, grounds):
            return token
    if not _is_chinese(text):
        return next((run for run in HAN_RUN.findall(text) if run not in grounds.names_text), None)
    return next(_strange_chinese(text, grounds), None)


def _is_chinese(text: str) -> bool:
    return 2 * sum(map(len, HAN_RUN.findall(text))) >= len(re.findall(r"[A-Za-z]+", text))


def name_words(text: str) -> frozenset[str]:
    """Return the words of *text* that are written as names, in lower case."""
    return frozenset(t.lower() for t, _ in _candidates(text, bool(HAN_RUN.search(text))))


def _candidates(text: str, chinese: bool) -> Iterator[tuple[str, int]]:
    """Yield the words of *text* in Latin letters that are names, and where they start."""
    found = list(re.finditer(rf"(?:(?![{CJK}])[^\W_])+(?:[.'’&+#-](?:(?![{CJK}])[^\W_])+)*[+#]*", text))
    for index, match in enumerate(found):
        token = _plain(match[0])
        low = token.lower()
        if not token or not any(c.isalpha() for c in token) or _is_ordinary(low):
            continue
        if chinese and _is_chinese(text):
            if low not in _FREE_LATIN and not _is_measure(token):
                yield token, match.start()
            continue
        if not any(c.isupper() for c in token) or _is_measure(token):
            continue
        if _SENTENCE_START.search(text, 0, match.start()):
            following = found[index + 1][0] if index + 1 < len(found) else ""
            if not _begins_with_name(match[0], low, following):
                continue
        yield token, match.start()


def _plain(token: str) -> str:
    return re.sub(r"['’](?:s|S)?$|['’]s$", "", token.strip(".'’&-"))


def _is_ordinary(low: str) -> bool:
    if low in _ROLES or low in CALENDAR_WORDS or low in _SHORT or low in PEOPLE_WORDS or low in STOP_WORDS:
        return True
    return low.split("'")[0].split("’")[0] in STOP_WORDS


def _is_measure(token: str) -> bool:
    return bool(
        re.fullmatch(
            r"\d[\d.,]*(?:st|nd|rd|th|k|m|bn|am|pm|km|kg|cm|mm|ml|g|l|s|h|hrs?|min|°?[CF])?", token, re.IGNORECASE
        )
    )


def is_ordinary_opener(low: str) -> bool:
    """Return whether a word that begins a sentence, in lower case, is none that could be a name there."""
    ordinary = low in OPENERS or low in GENERIC or low in STOP_WORDS or low in CALENDAR_WORDS
    return ordinary or low.endswith(_ORDINARY_ENDING)


def _begins_with_name(written: str, low: str, following: str) -> bool:
    if low in OPENERS or low in GENERIC:
        return False
    if written.isupper() and len(low) > 1:
        return True
    if re.search(r"['’]s$", written) or following[:1].isupper() or following in _VERB_AFTER:
        return True
    return following.endswith(("s", "ed")) and not low.endswith(_ORDINARY_ENDING)


def _is_said(token: str, grounds: Grounds) -> bool:
    low = token.lower()
    if low in grounds.words or stem(low) in grounds.stems or len(low) == 1:
        return True
    if any(part and _part_is_said(part, grounds) for part in [re.sub(r"[.'’&-]", "", low)]):
        return True
    parts = [p for p in re.split(r"[-'’./&]", low) if p]
    if len(parts) > 1 and all(_part_is_said(p, grounds) for p in parts):
        return True
    return _is_acronym(token, grounds.names_text) or _is_of_country(low, grounds.words)


def _part_is_said(part: str, grounds: Grounds) -> bool:
    if part in grounds.words or stem(part) in grounds.stems or part in STOP_WORDS:
        return True
    if len(part) < PREFIX:
        return False
    # The beginning of an ordinary word, as in engineer and engineering; names begin alike and are others.
    return any(
        w.startswith(part[:PREFIX]) and re.search(rf"\b{re.escape(w)}\b", grounds.names_text) for w in grounds.words
    )


def _is_acronym(token: str, text: str) -> bool:
    if not (token.isupper() and 2 <= len(token) <= 6 and token.isalpha()):
        return False
    initials = "".join(w[0] if w[0].isupper() else " " for w in WORD.findall(text))
    return token in initials


def _is_of_country(low: str, words: frozenset[str]) -> bool:
    for group in _PEOPLES:
        if low in group:
            return bool(group & words)
    if not low.endswith(_DEMONYM) and not any(w.endswith(_DEMONYM) for w in words if w[:4] == low[:4]):
        return False
    return len(low) >= 5 and any(len(w) >= 4 and w[:4] == low[:4] for w in words)


def _joined(text: str, start: int, token: str, grounds: Grounds) -> bool:
    """Return whether a word and its neighbour were said as one, as VSCode for VS Code."""
    before = re.search(r"(\w+)[\s-]$", text[:start])
    after = re.match(r"[\s-](\w+)", text[start + len(token) :])
    low = token.lower()
    return bool(
        (before and before[1].lower() + low in grounds.words) or (after and low + after[1].lower() in grounds.words)
    )


# The hundred commonest surnames cover most people; and forms of address.
SURNAMES = frozenset(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金"
    "韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常汤温康施文牛樊葛邢安齐"
)
_NAMED = re.compile(r"(?:叫做?|名叫|名为|名字是|姓名是|姓|小|老|阿)$")
_NAMED_SO = re.compile("(?:叫做?|名为|名字是|姓名是)[\u4e00-\u9fff]{1,2}$")
_STREET = re.compile("[\u4e00-\u9fff]{0,2}(?:[路街镇村]|大学|学院|医院|[中小]学|银行)")
_BESIDE_PERSON = re.compile(r"(?:^|[和与跟给找对向是、，：]|[姐妹哥弟子友事学师爸妈亲公婆夫妻伴生])$")
_AT_PLACE = re.compile(r"(?:住在|搬到|搬去|来自|前往|在|到|去|回|从|于|飞|赴|往|和|与|跟|及)$")
_PLACE_ENDING = re.compile(
    r"^(?:市|省|县|区|路|街|镇|村|大学|学院|公司|医院|中学|小学|银行|餐厅|集团|酒店|机场|车站|山|河|湖|寺|岛|州|大厦|广场|语|籍|族|菜|先生|女士|老师|医生|教授|总)"
)


def unsaid(run: str, pairs: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Yield where in a run of Chinese characters the parts are of which no pair was said, and those parts."""
    start = -1
    for i in range(len(run) + 1):
        there = (
            i == len(run)
            or (run[max(0, i - 1) : i + 1] in pairs and i > 0)
            or (run[i : i + 2] in pairs and i + 2 <= len(run))
        )
        if i < len(run) and len(run) == 1:
            there = run in pairs
        if there and start >= 0:
            yield start, run[start:i]
            start = -1
        elif not there and start < 0:
            start = i


def _strange_chinese(text: str, grounds: Grounds) -> Iterator[str]:
    for match in HAN_RUN.finditer(text):
        run = match[0]
        for start, part in unsaid(run, grounds.pairs):
            for at, piece in strange_pieces(part, grounds.pairs):
                if _is_name_there(run, start + at, piece, grounds.pairs):
                    yield piece


def strange_pieces(part: str, pairs: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Yield the pieces of *part* without its generic words of which not even a single character was said."""
    at = 0
    for piece in without_generic(part, least=2):
        at = part.index(piece, at)
        for match in re.finditer("[^\0]+", "".join("\0" if c in pairs else c for c in piece)):
            plain = match[0].strip(GENERIC_CHARACTERS)
            if plain:
                yield at + match.start(), match[0]
            if plain and plain != match[0]:
                yield at + match.start() + match[0].index(plain), plain
        at += len(piece)


def _is_name_there(run: str, at: int, piece: str, pairs: frozenset[str]) -> bool:
    before, after = run[:at], run[at + len(piece) :]
    if len(piece) <= 2 and (_NAMED_SO.search(before) or (_AT_PLACE.search(before) and _STREET.match(after))):
        return True
    if _NAMED.search(before) or _PLACE_ENDING.match(after) or _PLACE_ENDING.match(piece[1:] or "-"):
        return True
    if (
        len(piece) <= 2
        and before[-1:] in SURNAMES
        and (len(before) == 1 or _BESIDE_PERSON.search(before[:-1]) or before[-2:-1] == "叫")
    ):
        return True
    if len(piece) == 1 and before[-2:-1] in SURNAMES and before[-2:] in pairs and _BESIDE_PERSON.search(before[:-2]):
        return True
    if 2 <= len(piece) <= 3 and piece[0] in SURNAMES and _BESIDE_PERSON.search(before):
        return True
    return len(piece) >= 2 and bool(_AT_PLACE.search(before))
