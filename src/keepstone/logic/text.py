"""Text at the door and in the index: normal form, tokens, language, and how much a text says.

Tokens are the same for every store, so that every engine ranks alike: lower-case words with a light stem and
without stop words, and for scripts without spaces single characters and pairs, which need no dictionary and find a
word inside of a sentence, as the tokenizers of databases mostly do not.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections import Counter
from functools import lru_cache

CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
_RUN = re.compile(rf"[{CJK}]+|[^\W_{CJK}]+(?:['’][^\W_{CJK}]+)?")
_CJK_START = re.compile(rf"[{CJK}]")
_SURROGATE = re.compile("[\ud800-\udfff]")

# Languages written without spaces between words.
SPACELESS = ("zh", "ja", "ko")

STOP_WORDS = frozenset(
    "a an the and or but if of to in on at by for from with as so than then that this these those it its it's "
    "i i'm i've me my mine you you're your yours he him his she her hers we us our ours they them their is am "
    "are was were be been being do does did done have has had having will would shall should can could may "
    "might must not no don't didn't isn't wasn't there here what which who whom when where why how just very "
    "too also about into out up down over".split()
)
CJK_STOP = frozenset("的了是在我你他她它们吗呢吧啊呀嘛着过也都就和与及把被让给这那个么什之其而或")

_BACK_CHANNEL = frozenset(
    "yes yeah yep yup no nope nah ok okay k sure right alright fine good great nice cool wow thanks thank you "
    "thx ty please hi hello hey bye haha hahaha lol hmm hm mm mhm uh oh ah well indeed exactly true agreed got "
    "it i see same so too very much really that is s all good perfect awesome "
    "好 的 好的 嗯 嗯嗯 是 是的 对 对的 不 不是 不用 没 没有 没事 行 可以 谢谢 多谢 哈 哈哈 哦 噢 啊 呵 知道 了 "
    "明白 懂 收到 没错 当然 真的 吗 呀 吧 你好 再见 拜拜 谢 您 你 嘿".split()
)


def normalise(text: str) -> str:
    """Return *text* as it is stored: NFC, NUL removed, lone surrogates replaced by U+FFFD.

    NFC keeps every character that a reader sees; NUL and lone surrogates cannot be stored by every engine. More than
    30 combining marks in a row are parted by U+034F, as the Stream-Safe Text Format does (Unicode Annex 15): NFC takes
    quadratic time over such a run.
    """
    if text.isascii():
        return text.replace("\x00", "")
    text = _SURROGATE.sub("\ufffd", text.replace("\x00", ""))
    # Again after NFC, which takes a few marks apart into two.
    return _with_joiners(unicodedata.normalize("NFC", _with_joiners(text)))


def _with_joiners(text: str) -> str:
    return _long_runs_of_marks().sub(lambda m: _JOINER.join(_parts(m.group(), MARKS_MAX)), text)


MARKS_MAX = 30
_JOINER = "\u034f"


@lru_cache(maxsize=1)
def _long_runs_of_marks() -> re.Pattern[str]:
    marks = "".join(chr(c) for c in range(0x300, 0x1F000) if unicodedata.combining(chr(c)))
    return re.compile(f"[{re.escape(marks)}]{{{MARKS_MAX + 1},}}")


def _parts(text: str, size: int) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text), size)]


@lru_cache(maxsize=8)
def words(text: str) -> tuple[str, ...]:
    """Return the words of *text* in order, lower case, compatibility forms folded; CJK runs stay whole.

    The last few texts are remembered: a text is asked for its words several times when it is added.
    """
    folded = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return tuple(_RUN.findall(folded.lower().replace("’", "'")))


def tokens(text: str) -> list[str]:
    """Return the index tokens of *text* in order, repeats included."""
    found: list[str] = []
    for word in words(text):
        if _CJK_START.match(word):
            found.extend(c for c in word if c not in CJK_STOP)
            found.extend(word[i : i + 2] for i in range(len(word) - 1))
        elif word not in STOP_WORDS:
            found.append(stem(word))
    return found


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """Return *word* without the commonest English endings; other scripts and short words stay.

    A lighter cut than Porter's: it joins plurals and verb forms (hiking, hiked, hikes, hike) and leaves
    suffixes that carry meaning alone.
    """
    word = word.removesuffix("'s")
    if not word.isascii() or len(word) <= 3:
        return word
    cut = next((e for e in ("ing", "ed") if word.endswith(e) and len(word) > len(e) + 2), "")
    if cut and any(c in "aeiouy" for c in word[: -len(cut)]):
        word = word[: -len(cut)]
        if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
            word = word[:-1]
    elif (word.endswith("ies") and len(word) > 4) or (word.endswith("es") and len(word) > 4):
        word = word[:-2]
    elif (word.endswith("s") and not word.endswith(("ss", "us", "is"))) or word.endswith("e"):
        word = word[:-1]
    if len(word) > 3 and word[-1] == "y" and word[-2] not in "aeiou":
        word = word[:-1] + "i"
    return word


def term(token: str) -> int:
    """Return the 32-bit number under which *token* stands in every index (CRC-32 of its UTF-8)."""
    return zlib.crc32(token.encode())


def term_counts(text: str) -> tuple[dict[int, int], int]:
    """Return how often each term stands in *text*, and the length of *text* in tokens."""
    counts = Counter(map(term, tokens(text)))
    return dict(counts), sum(counts.values())


def language(text: str) -> str:
    """Return a BCP 47 primary tag told from the script: zh, ja, ko, ru, ar, en, or und.

    Latin script reads as `en` when English function words carry it, else `und`: a tag, not a claim.
    """
    if text.isascii():
        return _latin_language(text) if _LATIN.search(text) else "und"
    counts = {script: len(pattern.findall(text)) for script, pattern in _SCRIPTS.items()}
    weights = {"zh": 3 * counts["han"], "ko": 3 * counts["hangul"], "ru": counts["cyrillic"], "ar": counts["arabic"]}
    if counts["kana"] and counts["kana"] * 8 >= counts["han"]:
        weights["ja"], weights["zh"] = 3 * (counts["han"] + counts["kana"]), 0
    best = max(weights, key=lambda k: weights[k])
    latin = len(_LATIN.findall(text))
    if weights[best] and weights[best] >= latin:
        return best
    return _latin_language(text) if latin else "und"


_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
_SCRIPTS = {
    "kana": re.compile("[\u3040-\u30ff]"),
    "han": re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f]"),
    "hangul": re.compile("[\uac00-\ud7af]"),
    "cyrillic": re.compile("[\u0400-\u04ff]"),
    "arabic": re.compile("[\u0600-\u06ff]"),
}


def _latin_language(text: str) -> str:
    found = words(text)
    english = sum(w in STOP_WORDS for w in found)
    return "en" if found and (english * 6 >= len(found) or (len(found) < 4 and text.isascii())) else "und"


def is_back_channel(text: str) -> bool:
    """Return True for a turn too short or too empty to be told from another of its kind ("yes", "好的").

    Such turns are never joined with an earlier one: saying "yes" twice is answering two questions.
    """
    found = words(text)
    if len(found) <= 2 and sum(len(w) if _CJK_START.match(w) else 1 for w in found) <= 2:
        return True
    return all(w in _BACK_CHANNEL or _all_back_channel(w) for w in found)


def _all_back_channel(word: str) -> bool:
    return bool(_CJK_START.match(word)) and all(c in _BACK_CHANNEL for c in word)


def spoken(name: str | None, text: str) -> str:
    """Return a text as it is embedded and counted: with the speaker's name in front, if there is one."""
    return f"{name}: {text}" if name else text


def estimate_tokens(text: str) -> int:
    """Return about how many model tokens *text* takes: 0.75 a CJK character, one for 4 other characters."""
    cjk = 0 if text.isascii() else len(_CJK_START.findall(text))
    return -(-(3 * cjk + len(text) - cjk) // 4)
