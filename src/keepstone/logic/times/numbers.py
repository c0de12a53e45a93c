"""Numbers in digits and words, and amounts such as "a couple" or 几, which are pairs of least and most."""

from __future__ import annotations

import re

# What "a few", "several", 几 and the like are taken for.
FEW = (2, 6)

_ONES = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()
_ONES += "seventeen eighteen nineteen".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
ENGLISH_NUMBERS = {word: n for n, word in enumerate(_ONES, 1)} | {word: 10 * n for n, word in enumerate(_TENS, 2)}

_ONE = f"(?:{'|'.join(sorted(ENGLISH_NUMBERS, key=len, reverse=True))})"
_TEN = f"(?:{'|'.join(_TENS)})"
_NUMBER = rf"(?:\d{{1,3}}|{_TEN}(?: |-)(?:{'|'.join(_ONES[:9])})|{_ONE}|an?)"
ENGLISH_AMOUNT = rf"(?:(?:an? )?couple(?: of)?|(?:a (?:good )?)?few|several|{_NUMBER}(?:(?: or | to |-|–){_NUMBER})?)"

_SPLIT = re.compile(r"\s+or\s+|\s+to\s+|(?<=\d)[-–](?=\d)")


def english_amount(text: str) -> tuple[int, int]:
    """Return the least and the most that an amount in English words or digits means."""
    text = " ".join(text.lower().split())
    if "few" in text or text == "several":
        return FEW
    if "couple" in text:
        return 2, 2
    numbers = [_english_number(part) for part in _SPLIT.split(text)]
    return min(numbers), max(numbers)


def _english_number(text: str) -> int:
    if text.isdigit():
        return int(text)
    return sum(ENGLISH_NUMBERS.get(word, 1) for word in re.split(r"[\s-]", text))


_DIGITS = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "○": 0, "两": 2}
CHINESE_DIGIT = "零〇○一二三四五六七八九"
_SCALES = {"十": 10, "百": 100, "千": 1000}

# Neighbouring digits, as in 两三 and 七八, are an amount between them.
_1_9 = "一二三四五六七八九"
CHINESE_AMOUNT = rf"(?:好?几十?|十几|[{_1_9}]?十多|[两{_1_9}]{{1,2}}|[{_1_9}]?十[{_1_9}]?|\d{{1,3}})"


def chinese_number(text: str) -> int:
    """Return the number that *text* writes in digits of either kind, place by place (二〇二三) or with 十, 百, 千."""
    if text.isdigit() and text.isascii():
        return int(text)
    if not any(c in _SCALES for c in text):
        return int("".join(str(_DIGITS[c]) for c in text))
    total = 0
    digit = 0
    for char in text:
        if char in _SCALES:
            total += max(digit, 1) * _SCALES[char]
            digit = 0
        else:
            digit = _DIGITS[char]
    return total + digit


def chinese_amount(text: str) -> tuple[int, int]:
    """Return the least and the most that an amount in Chinese characters or digits means."""
    if text in ("几", "好几"):
        return FEW
    if text in ("几十", "好几十"):
        return 20, 60
    if text == "十几":
        return 11, 19
    if text.endswith("多"):
        least = chinese_number(text[:-1])
        return least, least + 9
    if len(text) == 2 and all(c in _DIGITS for c in text):
        return _DIGITS[text[0]], _DIGITS[text[1]]
    number = chinese_number(text)
    return number, number
