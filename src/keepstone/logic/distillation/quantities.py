"""Numbers as English and Chinese texts write them, with their units; clock times; digits, words, 万, half.

Texts are in simplified characters (`hanzi.simplified`), so that one set of rules reads both forms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from keepstone.logic.times.numbers import ENGLISH_NUMBERS, chinese_number
from keepstone.types import Span

Unit = tuple[str, float]


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number and where it stands; `unit` is its dimension and factor, None for a count or where none is named."""

    value: float
    unit: Unit | None
    span: Span

    @property
    def dimension(self) -> str:
        """What it measures; empty for a count."""
        return self.unit[0] if self.unit else ""

    def matches(self, other: Quantity) -> bool:
        """Return whether both can be the same amount; a unit that is not named fits all."""
        if self.unit is None or other.unit is None:
            return _same(self.value, other.value)
        if self.unit == other.unit:
            return _same(self.value, other.value)
        ours, theirs = self.dimension, other.dimension
        if {ours, theirs} == {"pound", "gbp"}:
            return _close(self.value, other.value)
        if {ours, theirs} == {"pound", "mass"}:
            kilograms = [
                q.value * (_POUND if q.dimension == "pound" else q.unit[1] if q.unit else 1) for q in (self, other)
            ]
            return _close(*kilograms)
        return ours == theirs and _close(self.value * self.unit[1], other.value * other.unit[1])


_POUND = 0.45359


def _same(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-9 * max(abs(a), abs(b))


def _close(a: float, b: float) -> bool:
    return abs(a - b) <= 0.005 * max(abs(a), abs(b))


_DAY = 86_400.0
_UNITS: dict[str, Unit] = {}
for _words, _measure in (
    ("second seconds sec secs 秒 秒钟", ("time", 1.0)),
    ("minute minutes min mins 分钟", ("time", 60.0)),
    ("hour hours hr hrs 小时 个小时 钟头 个钟头", ("time", 3600.0)),
    ("day days night nights 天 日", ("time", _DAY)),
    ("week weeks 周 星期 个星期 礼拜 个礼拜", ("time", 7 * _DAY)),
    ("month months 个月", ("time", 365.25 * _DAY / 12)),
    ("year years yr yrs yo 年 岁 周岁", ("time", 365.25 * _DAY)),
    ("decade decades", ("time", 3652.5 * _DAY)),
    ("mm millimeter millimeters millimetre millimetres 毫米", ("length", 0.001)),
    ("cm centimeter centimeters centimetre centimetres 厘米 公分", ("length", 0.01)),
    ("m meter meters metre metres 米", ("length", 1.0)),
    ("km kilometer kilometers kilometre kilometres k公里 公里 千米", ("length", 1000.0)),
    ("mile miles 英里", ("length", 1609.344)),
    ("foot feet ft 英尺", ("length", 0.3048)),
    ("inch inches 英寸 寸", ("length", 0.0254)),
    ("mg milligram milligrams 毫克", ("mass", 0.000001)),
    ("g gram grams 克", ("mass", 0.001)),
    ("kg kgs kilo kilos kilogram kilograms 公斤 千克", ("mass", 1.0)),
    ("斤", ("mass", 0.5)),
    ("ton tons tonne tonnes 吨", ("mass", 1000.0)),
    ("lb lbs 磅", ("mass", 0.45359)),
    ("stone", ("mass", 6.35)),
    ("pound pounds", ("pound", 1.0)),
    ("sqm ㎡ 平米 平方米 平方", ("area", 1.0)),
    ("sqft 平方英尺", ("area", 0.0929)),
    ("亩", ("area", 666.67)),
    ("ml milliliter milliliters millilitre millilitres 毫升", ("volume", 0.001)),
    ("l liter liters litre litres 升", ("volume", 1.0)),
    ("percent % 成", ("percent", 1.0)),
    ("dollar dollars buck bucks usd 美元 美金 刀", ("usd", 1.0)),
    ("euro euros eur 欧元", ("eur", 1.0)),
    ("quid gbp 英镑", ("gbp", 1.0)),
    ("yuan rmb cny 元 块 块钱 元钱 人民币", ("cny", 1.0)),
    ("yen jpy 日元 日圆", ("jpy", 1.0)),
):
    _UNITS |= dict.fromkeys(_words.split(), _measure)
_UNITS["percent"] = _UNITS["%"] = ("percent", 1.0)
for _metre in ("square meters", "square metres", "square meter", "square metre", "sq m"):
    _UNITS[_metre] = _UNITS["sqm"]
_UNITS["square feet"] = _UNITS["square foot"] = _UNITS["sq ft"] = _UNITS["sqft"]
_UNITS["成"] = ("percent", 10.0)
_SIGNS = {"$": "usd", "€": "eur", "£": "gbp", "¥": "cny", "￥": "cny"}

_SPACED = "|".join(sorted((u for u in _UNITS if u.isascii() and u != "%"), key=len, reverse=True))
_SPACELESS = "|".join(sorted((u for u in _UNITS if not u.isascii()), key=len, reverse=True))
_UNIT = rf"(?:[\s-]?(?:(?P<latin>{_SPACED})\b|(?P<percent>%|per ?cent\b))|\s?(?P<han>{_SPACELESS}))"

_SMALL = "|".join(sorted({*ENGLISH_NUMBERS, "zero"}, key=len, reverse=True))
_ORDINALS = dict(
    zip("third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split(), range(3, 13), strict=True)
)
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000, "grand": 1_000}
_SCALE = "hundred|thousand|million|billion"
_AFTER_GRAND = "(?:for|a|in|on|to|at|each|per|and|or|more|less|every|from|left|off|so|but|last|this|that|is|was)"
_SUFFIXES = {"k": 1e3, "m": 1e6, "bn": 1e9, "万": 1e4, "千": 1e3, "亿": 1e8, "百": 1e2, "百万": 1e6, "千万": 1e7}
_HAN_DIGIT = "零〇一二两三四五六七八九"
_HAN = rf"[{_HAN_DIGIT}十百千万亿]+"

_NUMBER = re.compile(
    rf"(?P<sign>[$€£¥￥]\s?)?(?:"
    rf"(?P<digits>(?<![\w.])\d[\d,]*(?:\.\d+)?|(?<=[^\x00-\x7f])\d[\d,]*(?:\.\d+)?)"
    rf"(?:(?P<suffix>(?:k|m|bn)\b|[百千]?[万亿]|[百千])|[\s-](?P<scale>{_SCALE}|grand)\b|(?:st|nd|rd|th)\b)?"
    rf"|\b(?P<words>(?:a |an )?(?:{_SMALL}|{_SCALE}|dozen)(?:(?:[\s-]|\sand\s)(?:{_SMALL}|{_SCALE}"
    rf"|dozen|grand(?=[.,;!?)]|$|\s{_AFTER_GRAND}\b))|\spoint(?:\s(?:{_SMALL}))+)*)s?\b"
    rf"|\b(?P<ordinal>{'|'.join(_ORDINALS)})\b"
    rf"|\b(?P<two>twice|couple|both|twins?|pair)\b"
    rf"|(?P<of>百分之|千分之)?(?P<chinese>{_HAN})(?:点(?P<point>[{_HAN_DIGIT}]+))?"
    rf"|(?P<both>[俩双])|(?P<half>\bhalf (?:an?|of an?)|半个?|\bhalf\b))",
    re.IGNORECASE,
)
_AFTER = re.compile(
    rf"(?P<more>\sand\sa\shalf|个半)?(?:{_UNIT}|(?<=个半)(?P<moon>月))?(?P<late>\sand\sa\shalf|半(?!天|夜|价))?",
    re.IGNORECASE,
)
_SINGLE = re.compile(rf"\b(?:an?|per|every|one)\s(?P<latin>{_SPACED})\b(?P<late>\sand\sa\shalf)?", re.IGNORECASE)
# Chinese numerals that are no numbers here.
_IDIOM = re.compile(
    r"十分(?!钟)|万一|千万(?=[别不要])|一(?=[直起样定些般边共旦切向律]|下子|点(?![零〇一二两三四五六七八九]))|不管三七二十一|三心二意|乱七八糟"
)


# Words for units, in lower case.
UNIT_WORDS = frozenset(_UNITS)


@lru_cache(maxsize=1024)
def quantities(text: str) -> tuple[Quantity, ...]:
    """Return the numbers in *text*, in order. "A year" and 一年 are one year; "both" and 俩 are two."""
    return tuple(_found(text))


def _found(text: str) -> Iterator[Quantity]:
    masked = _IDIOM.sub(lambda m: " " * len(m[0]), text)
    last = 0
    for match in _NUMBER.finditer(masked):
        if match.start() < last:
            continue
        after = _AFTER.match(masked, match.end())
        values = _values(match)
        unit = _unit(match, after)
        end = after.end() if after and after.end() > match.end() else match.end()
        last = end
        more = 0.5 if after and (after["more"] or after["late"]) and unit else 0.0
        for value in values:
            yield Quantity(value + more, unit, Span(start=match.start(), end=end))
    for match in _SINGLE.finditer(masked):
        value = 1.5 if match["late"] else 1.0
        yield Quantity(value, _UNITS[match["latin"].lower()], Span(start=match.start(), end=match.end()))


def _unit(match: re.Match[str], after: re.Match[str] | None) -> Unit | None:
    if match["sign"]:
        return (_SIGNS[match["sign"].strip()], 1.0)
    if match["of"]:
        return ("percent", 1.0 if match["of"] == "百分之" else 0.1)
    if after is None:
        return None
    if after["percent"]:
        return _UNITS["percent"]
    if after["moon"]:
        return _UNITS["个月"]
    word = after["latin"] or after["han"]
    return _UNITS[word.lower()] if word else None


def _values(match: re.Match[str]) -> tuple[float, ...]:
    if match["digits"]:
        scale = (match["suffix"] or "").lower()
        factor = _SUFFIXES.get(scale) or (_SCALES[match["scale"].lower()] if match["scale"] else 1.0)
        return (float(match["digits"].replace(",", "")) * factor,)
    if match["words"]:
        return (_english(match["words"].lower()),)
    if match["ordinal"]:
        return (float(_ORDINALS[match["ordinal"].lower()]),)
    if match["chinese"]:
        return _chinese(match["chinese"], match["point"])
    return (2.0,) if match["two"] or match["both"] else (0.5,)


def _english(words: str) -> float:
    whole, _, point = words.partition(" point ")
    total = current = 0.0
    for word in re.split(r"[\s-]+", whole):
        if word == "dozen":
            current = max(current, 1.0) * 12
        elif word == "hundred":
            current = max(current, 1.0) * 100
        elif word in _SCALES:
            total, current = total + max(current, 1.0) * _SCALES[word], 0.0
        else:
            current += ENGLISH_NUMBERS.get(word, 0)
    digits = "".join(str(ENGLISH_NUMBERS.get(w, 0)) for w in point.split())
    return total + current + (float(f"0.{digits}") if digits else 0.0)


def _chinese(text: str, point: str | None) -> tuple[float, ...]:
    """Return the number that *text* writes; two for neighbours such as 两三, which are between them."""
    if point:
        return (_whole(text) + float("0." + "".join(str(chinese_number(c)) for c in point)),)
    if len(text) == 2 and all(c in _HAN_DIGIT for c in text):
        first, second = (chinese_number(c) for c in text)
        if second == first + 1:
            return (float(first), float(second))
    return (_whole(text),)


def _whole(text: str) -> float:
    for mark, scale in (("亿", 1e8), ("万", 1e4)):
        if mark in text:
            head, _, tail = text.rpartition(mark)
            rest = _whole(tail) if tail else 0.0
            if len(tail) == 1 and tail in _HAN_DIGIT[1:]:
                rest *= scale / 10
            return (_whole(head) if head else 1.0) * scale + rest
    if len(text) >= 3 and text[-2] in "百千" and text[-1] in _HAN_DIGIT[1:]:
        return chinese_number(text[:-1]) + chinese_number(text[-1]) * (10.0 if text[-2] == "百" else 100.0)
    return float(chinese_number(text))


@dataclass(frozen=True, slots=True)
class Clock:
    """A time on the clock: minutes on the dial of twelve hours, the half of the day if it is said, and its place."""

    minutes: int
    half: str
    span: Span

    def matches(self, other: Clock) -> bool:
        """Return whether both can be the same time."""
        return self.minutes == other.minutes and (not self.half or not other.half or self.half == other.half)


_HOUR = rf"(?:\d\d?|{'|'.join(sorted(list(ENGLISH_NUMBERS)[:12], key=len, reverse=True))})"
_PAST = "half|(?:a )?quarter|five|ten|twenty|twenty-five|\\d\\d?"
_HALF = r"\s?[ap]\.?m\b\.?|\s(?:in the|this|at)\s(?:early\s)?(?:morning|afternoon|evening|night)"
_ENGLISH_CLOCK = re.compile(
    rf"\b(?:(?P<part>{_PAST})(?: minutes)? (?P<way>past|to|after|before) (?P<ph>{_HOUR})\b(?P<half0>{_HALF})?"
    rf"|(?P<h>\d\d?)[:.](?P<min>[0-5]\d)(?![\d%]|:\d)(?P<half1>{_HALF})|(?P<h24>\d\d?):(?P<min24>[0-5]\d)(?![\d%])"
    rf"|(?P<hh>{_HOUR})(?:\s(?P<mm>fifteen|thirty|forty-five))?(?P<half2>{_HALF})"
    rf"|(?P<wh>{_HOUR})\s(?P<wm>fifteen|thirty|forty-five)\b(?!\s\w+s\b)"
    rf"|(?P<oh>{_HOUR}) ?o['’]clock|(?P<noon>noon|midnight)\b)",
    re.IGNORECASE,
)
_HAN_HOUR = "(?:\\d\\d?|二?十[一二三四五六七八九]?|[零一二两三四五六七八九])"
_CHINESE_CLOCK = re.compile(
    rf"(?P<part>凌晨|清晨|早上|早晨|上午|中午|下午|傍晚|晚上|夜里|半夜|今晚|昨晚|明晚|晚|早)?(?P<h>{_HAN_HOUR})"
    rf"(?:点(?P<min>半|[一三]刻|钟|整|(?:[2-5]?十[一二三四五六七八九]?|[二三四五]十[一二三四五六七八九]?|零[一-九]|[0-5]\d)分?|{_HAN_HOUR}分)?"
    rf"(?![{_HAN_DIGIT}\d])|[:：](?P<colon>[0-5]\d)(?!\d))"
)


@lru_cache(maxsize=1024)
def clocks(text: str) -> tuple[Clock, ...]:
    """Return the clock times in *text*."""
    return (*_english_clocks(text), *_chinese_clocks(text))


def _hour(written: str) -> int:
    return int(written) if written.isdigit() else ENGLISH_NUMBERS.get(written.lower(), 0)


def _english_clocks(text: str) -> Iterator[Clock]:
    for m in _ENGLISH_CLOCK.finditer(text):
        span = Span(start=m.start(), end=m.end())
        if m["noon"]:
            yield Clock(0, "pm" if m["noon"].lower() == "noon" else "am", span)
            continue
        if m["part"] and m["part"].isdigit() and m["way"].lower() in ("to", "before") and "minutes" not in m[0].lower():
            continue  # from two to ten
        hour = _hour(m["ph"] or m["h"] or m["h24"] or m["hh"] or m["wh"] or m["oh"])
        minute = _minutes(m)
        if not 0 <= hour <= 24:
            continue
        half = "pm" if hour > 12 else _half_of((m["half0"] or m["half1"] or m["half2"] or "").strip().lower())
        yield Clock((hour * 60 + minute) % 720, half, span)


def _minutes(m: re.Match[str]) -> int:
    if m["part"]:
        written = m["part"].lower()
        count = 30 if written == "half" else 15 if "quarter" in written else _compound(written)
        return count if m["way"].lower() in ("past", "after") else -count
    if digits := m["min"] or m["min24"]:
        return int(digits)
    return _compound((m["mm"] or m["wm"] or "zero").lower())


def _compound(written: str) -> int:
    return int(written) if written.isdigit() else sum(ENGLISH_NUMBERS.get(w, 0) for w in written.split("-"))


def _half_of(words: str) -> str:
    if not words:
        return ""
    if words[0] in "ap" and "m" in words[:4] and " " not in words:
        return "am" if words[0] == "a" else "pm"
    return "am" if "morning" in words else "pm"


_MORNING = ("凌晨", "清晨", "早上", "早晨", "上午", "早")


def _chinese_clocks(text: str) -> Iterator[Clock]:
    for m in _CHINESE_CLOCK.finditer(text):
        if m["h"] == "一" and not m["part"] and not m["min"]:
            continue  # a little
        hour = chinese_number(m["h"])
        if hour > 24:
            continue
        part = m["part"] or ""
        half = "am" if part in _MORNING else "pm" if part and part not in ("中午", "半夜", "夜里") else ""
        if hour > 12:
            half = "pm"
        yield Clock((hour * 60 + _chinese_minutes(m)) % 720, half, Span(start=m.start(), end=m.end()))


def _chinese_minutes(m: re.Match[str]) -> int:
    written = m["colon"] or m["min"] or ""
    if written in ("", "钟", "整"):
        return 0
    if written == "半":
        return 30
    if written.endswith("刻"):
        return 15 if written[0] == "一" else 45
    return chinese_number(written.removesuffix("分"))


def covered(text: str, spans: Iterable[Span]) -> str:
    """Return *text* with blanks at *spans*, of equal length."""
    for span in spans:
        text = text[: span.start] + " " * (span.end - span.start) + text[span.end :]
    return text
