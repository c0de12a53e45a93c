"""What Chinese words name a time: rules by the characters with which they begin.

Texts are read in simplified characters (`simplified`).
"""

from __future__ import annotations

import re
from datetime import date

from keepstone.logic.times import calendar as cal
from keepstone.logic.times.calendar import Tense
from keepstone.logic.times.context import is_habit, tells_event, tenses
from keepstone.logic.times.numbers import CHINESE_AMOUNT, CHINESE_DIGIT, chinese_amount, chinese_number
from keepstone.logic.times.values import Grain, Interval, Rule, Said, pattern

_FORMS = str.maketrans(
    "號後個點這禮國慶誕兩週鐘節過裡裏說從時當氣數證聰會約見還幾萬聖勞動師雙紀",
    "号后个点这礼国庆诞两周钟节过里里说从时当气数证聪会约见还几万圣劳动师双纪",
)
_FORMS |= str.maketrans("０１２３４５６７８９：", "0123456789:")


def simplified(text: str) -> str:
    """Return *text* with the characters that rules read in their simplified and half-width forms, of equal length."""
    return text if text.isascii() else text.translate(_FORMS)


_NUMERALS = "零〇○一二三四五六七八九十百千几两多半"
_ONE_TO_NINE = "一二三四五六七八九"
_MONTH = rf"(?:1[0-2]|0?[1-9](?!\d)|十[一二]?|[{_ONE_TO_NINE}])"
_DAY = rf"(?:[12]\d|3[01]|0?[1-9](?!\d)|[二三]?十[{_ONE_TO_NINE}]?|[{_ONE_TO_NINE}])"
_WEEK = "(?:周|星期|礼拜)"
# What turns the numeral of a weekday into another word: 上周一直, 下周二十号, 上周日子.
_WEEKDAY = (
    r"(?:一(?!直|次|下|般|起|共|定|样|切|些|边|旦|整|个)|[二三四五六](?!十|次|点|号|月|个|天|\d)"
    r"|天(?!气|天|空)|日(?!子|常|程|期|本|记|报))"
)
_PLACE = {c: n for n, c in enumerate("一二三四五六日")} | {"天": 6}
_SEASONS = {"春": "spring", "夏": "summer", "秋": "autumn", "冬": "winter"}
_HOLIDAYS = {
    "元旦": (1, 1),
    "情人节": (2, 14),
    "妇女节": (3, 8),
    "三八节": (3, 8),
    "愚人节": (4, 1),
    "劳动节": (5, 1),
    "五一": (5, 1),
    "青年节": (5, 4),
    "儿童节": (6, 1),
    "六一": (6, 1),
    "建军节": (8, 1),
    "教师节": (9, 10),
    "国庆节": (10, 1),
    "国庆": (10, 1),
    "万圣节": (10, 31),
    "双十一": (11, 11),
    "双十二": (12, 12),
    "平安夜": (12, 24),
    "圣诞节": (12, 25),
    "圣诞": (12, 25),
}
_HOLIDAY = "|".join(_HOLIDAYS)
_YEARS = {"大前年": -3, "前年": -2, "去年": -1, "今年": 0, "明年": 1, "后年": 2, "大后年": 3}
_DAYS = {"大前": -3, "前": -2, "昨": -1, "今": 0, "明": 1, "后": 2, "大后": 3}
_OFFSETS = {"上上": -2, "上": -1, "这": 0, "本": 0, "下": 1, "下下": 2}
_REL = "上上|上|这|本|下下|下"
PARTS = {
    "凌晨": "small hours",
    **dict.fromkeys(("早上", "上午", "清晨", "早晨", "一早", "一大早", "大清早", "早", "晨"), "morning"),
    "中午": "noon",
    **dict.fromkeys(("下午", "午后"), "afternoon"),
    "傍晚": "evening",
    **dict.fromkeys(("晚上", "夜里", "夜晚", "半夜", "深夜", "晚", "夜"), "night"),
}
_UNITS = {
    "分钟": Grain.MINUTE,
    **dict.fromkeys(("小时", "钟头"), Grain.HOUR),
    "天": Grain.DAY,
    **dict.fromkeys(("周", "星期", "礼拜"), Grain.WEEK),
    "月": Grain.MONTH,
    "年": Grain.YEAR,
}
_SECTIONS = {"初": "early", "上旬": "early", "中旬": "mid", "中": "mid", "下旬": "late", "底": "late", "末": "late"}


def _year_of(m: re.Match[str], said: Said) -> int | None:
    if m["y"]:
        year = chinese_number(m["y"])
        return year if year >= 100 else year + 1900
    return said.today.year + _YEARS[m["r"]] if m["r"] else None


def _date(m: re.Match[str], said: Said) -> Interval | None:
    """Read a month, with a year or a day or both, or with a section of it."""
    year = _year_of(m, said)
    number = chinese_number(m["m"])
    if year is None:
        if not m["d"] and not m["section"] and (is_habit(m) or not _GOES_ON.match(m.string, m.end())):
            return None
        found = cal.yearly(number, chinese_number(m["d"]) if m["d"] else None, said, tenses(m))
    else:
        found = cal.day(year, number, chinese_number(m["d"])) if m["d"] else cal.month(year, number)
    if found is None or not m["section"]:
        return found
    return cal.section(found, _SECTIONS[m["section"]])


# A month alone names a time before a stop or a word of those that go on about people and what they do: 一月三千 is a
# rate, 十月怀胎 and 六月飞雪 are sayings, 五月天 is a band.
_GOES_ON = pattern(
    r"\s*$|[\s，。！？；、,.!?;）)」”》]|[我你他她它咱们在要去来就才又会有那这开搬回起前后之以中到至结出入毕考办买卖换是很没不还再交见过做学离~—–-]"
    r"|的时候|的事"
)


def _year(m: re.Match[str], said: Said) -> Interval | None:
    """Read a year, alone or with a season, holiday, quarter, half or section."""
    year = _year_of(m, said)
    if year is None:
        return None
    if m["season"]:
        return cal.season(_SEASONS[m["season"]], year)
    if m["holiday"]:
        return cal.day(year, *_HOLIDAYS[m["holiday"]])
    if m["q"]:
        return cal.unit(Grain.QUARTER, date(year, 3 * chinese_number(m["q"]) - 2, 1))
    if m["half"]:
        return _half_year(m["half"], year)
    whole = cal.unit(Grain.YEAR, date(year, 1, 1))
    return cal.section(whole, _SECTIONS[m["section"]]) if m["section"] else whole


def _years(m: re.Match[str], said: Said) -> Interval | None:
    first, last = (cal.unit(Grain.YEAR, date(chinese_number(m[y]), 1, 1)) for y in ("y", "y2"))
    return cal.hull(first, last) if first.start < last.start else None


def _half_year(half: str, year: int) -> Interval:
    first, last = (1, 4) if half == "上" else (7, 10)
    return cal.hull(cal.unit(Grain.QUARTER, date(year, first, 1)), cal.unit(Grain.QUARTER, date(year, last, 1)))


def _this_half_year(m: re.Match[str], said: Said) -> Interval:
    return _half_year(m["half"], said.today.year)


def _relative_month(m: re.Match[str], said: Said) -> Interval:
    whole = cal.unit(Grain.MONTH, said.today, _OFFSETS[m["rel"]])
    if m["d"]:
        return cal.day(whole.start.year, whole.start.month, chinese_number(m["d"]))
    return cal.section(whole, _SECTIONS[m["section"]]) if m["section"] else whole


def _relative_week(m: re.Match[str], said: Said) -> Interval:
    offset = _OFFSETS[m["rel"]]
    if m["weekend"]:
        return cal.unit(Grain.WEEKEND, said.today, offset)
    if m["w"]:
        return cal.weekday(_PLACE[m["w"]], said.today, offset)
    return cal.unit(Grain.WEEK, said.today, offset)


def _relative_quarter(m: re.Match[str], said: Said) -> Interval:
    return cal.unit(Grain.QUARTER, said.today, _OFFSETS[m["rel"]])


def _relative_season(m: re.Match[str], said: Said) -> Interval:
    this = cal.season(_SEASONS[m["season"]], said.today.year)
    noon = cal.unit(Grain.DAY, said.today).start
    behind = 0 if this.end <= noon else -1
    ahead = 0 if this.start > noon else 1
    move = {"上": behind, "这": 0, "下": ahead}[m["rel"]]
    return cal.season(_SEASONS[m["season"]], said.today.year + move)


def _weekday(m: re.Match[str], said: Said) -> Interval | None:
    """Read a weekday alone, where its clause tells of something that happens once: 书法班周三 is a timetable."""
    if is_habit(m) or not tells_event(m):
        return None
    return cal.weekday(_PLACE[m["w"]], said.today)


def _named_day(m: re.Match[str], said: Said) -> Interval:
    found = cal.unit(Grain.DAY, said.today, _DAYS[m["day"]])
    return cal.part_of(found, PARTS[m["part"]]) if m["part"] else found


def _ago(m: re.Match[str], said: Said) -> Interval | None:
    return _counted(m, said, -1)


def _from_now(m: re.Match[str], said: Said) -> Interval | None:
    return _counted(m, said, 1)


def _counted(m: re.Match[str], said: Said, sign: int) -> Interval | None:
    grain = _UNITS[m["unit"]]
    least, most = (0, 0) if m["amount"] == "半" else chinese_amount(m["amount"])
    if m["amount"] == "半" or m["half"] or m["half2"]:
        if (halved := _HALVES.get(grain)) is None:
            return None
        smaller, size = halved
        count = sign * (least * size + size // 2)
        return cal.shifted(smaller, count, count, said)
    return cal.shifted(grain, sign * least, sign * (most + bool(m["more"] or m["more2"] or m["more3"])), said)


# Half a month is two weeks; a month and a half is counted in days.
_HALVES = {Grain.YEAR: (Grain.MONTH, 12), Grain.HOUR: (Grain.MINUTE, 60), Grain.MONTH: (Grain.WEEK, 4)}


def _some_ago(m: re.Match[str], said: Said) -> Interval:
    least, most = (1, 3) if m["amount"] == "两" else chinese_amount("几")
    grain = Grain.DAY if m["unit"] == "日子" else _UNITS[m["unit"]]
    return cal.shifted(grain, -least, -most, said)


def _day_of_month(m: re.Match[str], said: Said) -> Interval | None:
    return None if is_habit(m) else cal.day_of_month(chinese_number(m["d"]), said, Tense.OPEN)


def _section(m: re.Match[str], said: Said) -> Interval | None:
    if is_habit(m):
        return None
    grain = Grain.YEAR if m["unit"] else Grain.MONTH
    return cal.section(cal.unit(grain, said.today), _SECTIONS[m["section"] or m["section2"]])


def _holiday(m: re.Match[str], said: Said) -> Interval | None:
    return None if is_habit(m) else cal.yearly(*_HOLIDAYS[m["holiday"]], said, tenses(m))


def _decade(m: re.Match[str], said: Said) -> Interval:
    number = chinese_number(m["n"])
    return cal.unit(Grain.DECADE, date(number if number >= 100 else 1900 + number, 1, 1))


_FOUR_DIGITS = rf"(?:1[5-9]|20)\d\d|[一二][{CHINESE_DIGIT}]{{3}}"
_NOT_IN_NUMBER = rf"(?<![\d.,{_NUMERALS}第每历])"
# Where 前年, 明天 and the like are parts of other words: 以前年轻, 说明天气, 目前天气.
_YEAR_WORD = (
    r"(?P<r>大前年|大后年|(?<![之以从目提数当此生多几天])前年|(?<!过)去年|今年|(?<!证)明年|(?<![之以然最今往随\d零五六七八九])后年)"
    r"(?!轻|龄|级|纪|代|华|糕|货)"
)
_YEAR = rf"(?:{_NOT_IN_NUMBER}(?P<y>{_FOUR_DIGITS}|[6-9]\d(?=年\d))年(?!前|级|款|历史|来|间|代)|{_YEAR_WORD})"
_MONTH_SECTION = "(?P<section>初|上旬|中旬|下旬|底|末)?"
_NOT_BEFORE_DAY = "之以从目提当此生事年月天周期跟面末"

_DATE = Rule(
    pattern(
        rf"(?:{_YEAR}的?|(?<![\d.,{_NUMERALS}第每历个\w])(?<!每年))"
        rf"(?P<m>{_MONTH})月(?!球|亮)(?:份(?![量额])|(?P<d>{_DAY})[日号]|{_MONTH_SECTION})"
    ),
    _date,
)
_YEAR_AND_PART = Rule(
    pattern(
        rf"{_YEAR}(?:的?(?P<season>[春夏秋冬])[天季]|的?(?P<holiday>{_HOLIDAY})|第?(?P<q>[一二三四1-4])季度"
        r"|的?(?P<half>[上下])半年|年?(?P<section>初|底|末))?"
    ),
    _year,
)
_YEAR_RANGE = Rule(
    pattern(rf"{_NOT_IN_NUMBER}(?P<y>{_FOUR_DIGITS})年?(?:到|至|~|-|—|–)(?P<y2>{_FOUR_DIGITS})年(?!前|级|款)"), _years
)
_MONTHS = Rule(
    pattern(rf"(?P<rel>{_REL})个?月(?![球亮台光饼])(?:(?P<d>{_DAY})[日号]|(?P<section>初|上旬|中旬|下旬|底|末))?"),
    _relative_month,
)
_WEEKS = Rule(
    pattern(rf"(?P<rel>{_REL})一?个?{_WEEK}(?!年|期|围|转)(?:(?P<weekend>末)(?!尾)|(?P<w>{_WEEKDAY}))?"), _relative_week
)
_QUARTERS = Rule(pattern(rf"(?P<rel>{_REL})一?个?季度"), _relative_quarter)
_SEASON = Rule(pattern("(?P<rel>上|这|下)一?个(?P<season>[春夏秋冬])[天季]"), _relative_season)
_WEEKDAY_ALONE = Rule(
    pattern(
        rf"(?<![{_NUMERALS}每单双隔逢个上下这本此各整全到至~\d四“‘「『《\"'-]){_WEEK}(?P<w>{_WEEKDAY})"
        rf"(?!(?:到|至|-|~|—|–|、|和|或){_WEEK}?[{_ONE_TO_NINE}日天])"
    ),
    _weekday,
)
_DAY_WORDS = Rule(
    pattern(
        rf"(?P<day>大前|大后|(?<![{_NOT_BEFORE_DAY}])前|昨|(?<![当至])今|(?<![透光聪文发鲜证])明|(?<![{_NOT_BEFORE_DAY}然最今背午雨饭随先落身往])后)"
        r"(?:天(?!花板|数|气(?!温)|空|赋|色|黑|的努力|养成|形成|因素|培养|环境|失|获|性)"
        r"|(?<=[昨今明])日(?!头条|方舟|之|黄花|期|报)|(?=[晚早夜晨](?![餐饭点些年辈会恋期])))"
        r"(?:的?(?P<part>" + "|".join(sorted(PARTS, key=len, reverse=True)) + "))?"
    ),
    _named_day,
)
_COUNT = (
    rf"(?P<amount>{CHINESE_AMOUNT}|半)(?P<more>多)?个?(?P<half>半)?(?P<more2>多)?"
    r"(?P<unit>分钟|小时|钟头|天|周|星期|礼拜|(?<=[个半多])月|年)(?P<half2>半)?(?P<more3>多)?"
)
_AGO = Rule(pattern(rf"{_NOT_IN_NUMBER}{_COUNT}[之以]?前(?![进往方台面后途辈提沿景线夕因任排期半端锋置摇列卫])"), _ago)
_FROM_NOW = Rule(pattern(rf"再过{_COUNT}"), _from_now)
# After a noun 前两天 are its first two days, or the two days before it.
_SOME_AGO = Rule(
    pattern(
        r"(?<![^\W\d_])(?:(?<=[我你他她它们就是在从说还也才咱家妈爸哥姐弟妹])|(?<![\u4e00-\u9fff]))前(?P<amount>几|些|两)个?"
        r"(?P<unit>天|周|星期|礼拜|(?<=个)月|年(?!级|龄|纪|代)|日子)"
    ),
    _some_ago,
)
_NUMBERED_DAY = Rule(
    pattern(
        rf"(?<![\d\w.,{_NUMERALS}第每月路街巷弄道院村区镇座栋楼室号年到至~-])(?P<d>{_DAY})号"
        r"(?=\s*(?:$|[，。！？；、,.!?;\n]|那天|当天|早上|上午|中午|下午|晚上|之?前|以前|去|要|就|出发|到|回|左右|是周|的))"
        r"(?!的?[楼门房院车桌机店馆线球码])"
    ),
    _day_of_month,
)
_SECTIONS_ALONE = Rule(
    pattern(
        rf"(?<![\d{_NUMERALS}每年月个正腊闰])(?:(?P<unit>年)(?P<section>初|底|末)(?![一二三四五六七八九十薪])"
        r"|(?P<unit2>月)(?P<section2>初|底|末)(?!薪))"
    ),
    _section,
)
_HOLIDAYS_ALONE = Rule(
    pattern(
        rf"(?:(?<![\u4e00-\u9fff\d])|(?<=[是在到等过从了我你他们和跟这个本想要打算就])|(?=元旦|情人节|圣诞|平安夜|\w?.?节|国庆节))"
        rf"(?<![{_NUMERALS}])(?P<holiday>{_HOLIDAY})(?![班节树老礼贺卡快帽歌装大晚袜岛]|村|路|街|广场|联欢|口)"
    ),
    _holiday,
)
_HALF_YEARS = Rule(pattern("(?P<half>[上下])半年"), _this_half_year)
_DECADE = Rule(
    pattern(
        rf"(?:(?:20|二十)世纪|上个?世纪)?(?<![\d{_NUMERALS}])(?P<n>(?:1[5-9]|20)\d0|[2-9]0|[二三四五六七八九]十)年代(?![理价表替言码购工谢])"
    ),
    _decade,
)


def _rules() -> dict[str, tuple[Rule, ...]]:
    """Return the rules by the first character of what they match; `#` stands for digits."""
    found: dict[str, tuple[Rule, ...]] = {}

    def enter(characters: str, *rules: Rule) -> None:
        for character in characters:
            found[character] = (*found.get(character, ()), *rules)

    numbered = (_DECADE, _YEAR_RANGE, _DATE, _YEAR_AND_PART, _AGO, _NUMBERED_DAY)
    enter("#" + _ONE_TO_NINE + "十", *numbered)
    enter("两半几好", _AGO)
    enter("大前去今明后", _DATE, _YEAR_AND_PART, _DAY_WORDS)
    enter("昨", _DAY_WORDS)
    enter("前", _SOME_AGO)
    enter("上这本下", _DECADE, _HALF_YEARS, _MONTHS, _WEEKS, _QUARTERS, _SEASON)
    enter("周星礼", _WEEKDAY_ALONE)
    enter("再", _FROM_NOW)
    enter("年月", _SECTIONS_ALONE)
    enter("".join(sorted({name[0] for name in _HOLIDAYS})), _HOLIDAYS_ALONE)
    return {character: tuple(dict.fromkeys(rules)) for character, rules in found.items()}


RULES = _rules()

RANGE = pattern("(?:到|至|~|-|—|–)")
# The second end of a range may be a bare day of the month, weekday or month.
RANGE_DAY = pattern(rf"(?P<d>{_DAY})[日号]")
RANGE_WEEKDAY = pattern(rf"{_WEEK}?(?P<w>{_WEEKDAY})")


def range_end(text: str, position: int, begun: Interval) -> tuple[int, Interval] | None:
    """Return where the bare end of a range that *begun* begins itself ends, and what it names."""
    if begun.grain is not Grain.DAY:
        return None
    if match := RANGE_DAY.match(text, position):
        return match.end(), cal.day(begun.start.year, begun.start.month, chinese_number(match["d"]))
    if match := RANGE_WEEKDAY.match(text, position):
        return match.end(), cal.weekday(_PLACE[match["w"]], begun.start.date())
    return None
