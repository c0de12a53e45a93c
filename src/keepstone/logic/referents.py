"""Which memory a request to forget means: exactly one that stands out from all others, or none.

A candidate's standing is how far its cosine stands out from its corpus, in deviations, plus its share of what BM25 can
reach for the referent. Only what a user said can be meant, and nobody else's fact where the user's own is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from keepstone.logic.forgetting.request import ForgetRequest
from keepstone.logic.people import is_about_someone_else
from keepstone.logic.text import CJK, CJK_STOP, STOP_WORDS, stem, tokens, words

# In deviations. A share of .1 of the reachable BM25 weighs as much as two of them.
SHARE_WEIGHT = 20.0
SHARE_CAP = 0.5
LEAST_STANDING = 5.0
LEAST_MARGIN = 1.6
MOST_RATIO = 0.8
LEAST_COSINE = 2.7
# "How old I am" shares its few words with much.
LEAST_COSINE_CLAUSE = 3.5
LEAST_COVERAGE = 0.75
# With less of it there, the rest is looked for alone.
PROBED_COVERAGE = 0.15
PROBED_COSINE = 3.0
PROBE_COSINE = 3.1
PROBE_MARGIN = 0.5
# Words of one family begin alike.
PREFIX = 6
PREFIX_SHARE = 0.15
SUGGESTED_STANDING = 3.0
SUGGESTIONS_MAX = 3
# What is ranked lower while it is not sure: near by its meaning; less near and with a word of the referent; or less
# near and apart from all others; or with the number that is asked for. Where nothing is, what was told in confidence.
LOWERED_COSINE = 3.0
LOWERED_COSINE_NAMED = 2.0
LOWERED_COSINE_APART = 2.2
LOWERED_APART = 0.5
LOWERED_COSINE_HOLDING = 1.5
LOWERED_COSINE_CONFIDED = 0.5
LOWERED_SHARE = 0.15
LOWERED_SHARE_WEIGHT = 5.0
LOWERED_MARGIN = 0.5
LOWERED_MAX = 2
UNCLEAR = "several memories fit, or none well enough"

_KIN_EN = re.compile(
    r"\b(?:mother|mum|mom|father|dad|sister|brother|son|daughter|wife|husband|partner|girlfriend|boyfriend|aunt|uncle"
    r"|cousin|niece|nephew|grand\w+|gran|granny|boss|friend|colleague|co-?worker|neighbou?r|roommate|flatmate|kid|child"
    r"|parents?|ex|fianc\w+|landlord|landlady|teacher|doctor|in-law)s?\b",
    re.IGNORECASE,
)
_KIN_ZH = re.compile(
    "妈|爸|父亲|母亲|爹|娘|哥|姐|弟|妹|儿子|女儿|闺女|孩子|老公|老婆|丈夫|妻子|先生|太太|爱人|老伴|婆婆"
    "|公公|岳|丈母|爷爷|奶奶|外公|外婆|姥|舅|姨|姑|叔|伯|侄|甥"
    "|表[哥姐弟妹]|堂[哥姐弟妹]|女友|男友|女朋友|男朋友|室友|同桌|同学|同事|老板|老师|邻居|房东|朋友|前任|前妻|前夫"
)
_RELATIONS = tuple(
    frozenset(words.split())
    for words in (
        "child kid son daughter 孩子 儿子 女儿 闺女",
        "parent parents mother mum mom father dad 爸 妈 父亲 母亲 爹 娘",
        "partner wife husband girlfriend boyfriend fiance fiancee 老公 老婆 丈夫 妻子 爱人 太太 女友 男友",
        "boss colleague coworker co-worker 老板 同事",
        "roommate flatmate 室友",
        "ex 前任 前妻 前夫",
    )
)
# What says that a thing was told in confidence, or is kept from somebody.
_CONFIDED = re.compile(
    r"\b(?:between (?:us|you and me|ourselves)|in confidence|off the record|keep (?:this|it) to yourself|secret(?:ly)?"
    r"|confidential(?:ly)?|don't tell|(?:nobody|no one|none of them)(?: \w+){0,3} knows?|never told"
    r"|(?:haven't|have not) told"
    r"|(?:doesn't|don't|does not|do not) know yet|(?:hasn't|haven't) (?:noticed|heard)|behind (?:his|her|their) backs?"
    r"|not public|on the quiet|on the sly)\b"
    r"|偷偷|悄悄|私下|暗地里|瞒着|背着|保密|机密|秘密|别外传|不让(?:外)?[说传]|[别勿不](?:要|许|能|准)?(?:告诉|跟)(?:别人|任何人|他|她|谁)"
    r"|没(?:敢|跟|告诉|对)|没公布|只(?:跟|告诉)你|(?:没人|没有人|谁都不|谁也不|别人不|家里不|他们?不|她们?不|人不|还不)知道"
    r"|谁(?:也|都)没(?:告诉|说|提)",
    re.IGNORECASE,
)
_FIRST = re.compile(r"\b(?:i|i'\w+|my|mine|me|we|our|us)\b|我|咱|俺|本人", re.IGNORECASE)
_OWN = re.compile(r"\b(?:i|i'\w+|my|our|we|we'\w+)\b|^[我咱俺]", re.IGNORECASE)
_CLAUSE = re.compile(r"^(?:how|what|where|when|who|which|why|i|i'\w+|we)\b", re.IGNORECASE)
_POSSESSOR = re.compile(r"\b([A-Z][\w-]+)'s?\b")
_VALUE = re.compile(r"[A-Za-z_-]*\d[\w.:-]*\d|\d{2,}|[零〇一二三四五六七八九十百千万两幺]{2,}")
_QUESTION = re.compile(r"[?？]\s*$")
_CJK = re.compile(f"[{CJK}]")
# Nouns whose content is a number or a code, whatever of.
_ASKS_VALUE = re.compile(
    r"\b(?:numbers?|codes?|digits?|figures?|amounts?|sizes?|dates?|combinations?)\b|号码|密码|数字|数目|[号码数]",
    re.IGNORECASE,
)
_ASKS_AMOUNT = re.compile(r"\b(?:figures?|amounts?|sizes?|dates?)\b|数[字目]|尺码|鞋码", re.IGNORECASE)
# Numbers that are no codes: years, days, times, amounts with their unit.
_MEASURED = re.compile(
    r"\b(?:in|since|until|till|by|from|before|after) (?:19|20)\d\d\b|[€$£¥]\s?\d[\d.,]*|\b\d\d?:\d\d\b"
    r"|\b\d[\d.,]*\s?(?:%|euros?|dollars?|pounds?|quid|bucks|kilos?|kg|grams?|km|kilomet\w+|miles?|met(?:er|re)s?|cm"
    r"|percent|years?|months?|weeks?|days?|hours?|minutes?|times|people|o'clock|[ap]m)\b"
    r"|[\d零〇一二三四五六七八九十百千万两]+(?:多)?(?:元|块|岁|年|月|天|日|周|点|分钟|小时|个|次|人|公斤|斤|公里|里|米|平|倍|%)",
    re.IGNORECASE,
)
# Words that name no matter of their own.
_VAGUE = frozenset(
    "thing things stuff whole said told ever yesterday today earlier elsewhere somewhere anywhere somebody "
    "someone".split()
)
_VAGUE_ZH = re.compile("位置|地方|地点|哪儿|哪里|那儿|在哪|什么|多少|怎么|时候?|事情?|信息|内容|情况")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Referent:
    """A memory that a request may mean.

    `cosine` is how far its cosine with the referent stands out, in deviations, None without vectors; `share` is its
    BM25 as a share of what any text can reach. `key` is a memory's id, or a message's in the same call; `follows` is
    the key of the memory whose message comes directly before.
    """

    key: str
    text: str
    role: str | None
    cosine: float | None
    share: float
    asks: bool = False
    follows: str | None = None

    @property
    def standing(self) -> float:
        """How far it stands out over all."""
        return (self.cosine or 0.0) + SHARE_WEIGHT * min(self.share, SHARE_CAP)

    @property
    def nearness(self) -> float:
        """How near it is to the referent, mostly by its meaning: a shared name alone says little."""
        return (self.cosine or 0.0) + LOWERED_SHARE_WEIGHT * min(self.share, SHARE_CAP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What goes (the memory meant first, then what repeats it), what to suggest, and whether the request tells it.

    `lowered` are those of the suggestions that come near enough to be ranked lower meanwhile, and what repeats them.
    """

    meant: tuple[Referent, ...]
    suggested: tuple[Referent, ...]
    reason: str
    lowered: tuple[Referent, ...] = ()
    request_tells: bool = False
    probe: tuple[Referent, str] | None = None


def resolve(request: ForgetRequest, text: str, found: Sequence[Referent]) -> Resolution:
    """Return which of *found* the *request* in a message *text* means; nothing unless exactly one stands out."""
    spoken = [_related(request, r) for r in found if _may_be_meant(r)]
    eligible = sorted((r for r in spoken if _person_fits(request, r)), key=lambda r: -r.standing)
    if not eligible:
        nothing = _unclear(request, text, spoken, ()) if request.certain else _unresolved(request, text, (), "")
        return nothing if nothing.lowered else replace(nothing, reason="nothing that was said fits")
    first = eligible[0]
    rivals = [r for r in eligible[1:] if not restates(r.text, first.text)]
    if _ASKS_VALUE.search(request.referent) and _has_asked_value(request.referent, first.text):
        # Where a number is asked for, what has none is no rival.
        rivals = [r for r in rivals if _has_asked_value(request.referent, r.text)]
    second = rivals[0] if rivals else None
    if request.certain and _stands_out(first, second):
        covered = coverage(request.referent, first.text)
        least = LEAST_COSINE_CLAUSE if _CLAUSE.search(request.referent) else LEAST_COSINE
        held = covered.share >= LEAST_COVERAGE and not covered.lacks_value
        if held and (first.cosine is None or first.cosine >= least):
            return _resolved(request, text, first, found)
        partly = covered.share >= PROBED_COVERAGE and bool(covered.missing) and not covered.lacks_value
        if partly and (first.cosine or 0.0) >= PROBED_COSINE:
            return replace(_unclear(request, text, spoken, eligible), probe=(first, covered.missing))
    if not request.certain:
        return _unresolved(request, text, _likely(eligible), "it may not be a request")
    return _unclear(request, text, spoken, eligible)


def confirmed(
    request: ForgetRequest, text: str, resolution: Resolution, found: Sequence[Referent], probed: Sequence[Referent]
) -> Resolution:
    """Return *resolution* with what it was not sure of, if *probed* confirms it: a look for the missing words alone.

    The same memory must be the first of all that a user said, by its meaning.
    """
    assert resolution.probe is not None
    first = resolution.probe[0]
    eligible = [r for r in probed if _may_be_meant(r) and _person_fits(request, r) and r.cosine is not None]
    ordered = sorted(eligible, key=lambda r: -(r.cosine or 0.0))
    rest = [r.cosine or 0.0 for r in ordered[1:] if not restates(r.text, first.text)]
    if not ordered or ordered[0].key != first.key or (ordered[0].cosine or 0.0) < PROBE_COSINE:
        return resolution
    if rest and (ordered[0].cosine or 0.0) - rest[0] < PROBE_MARGIN:
        return resolution
    return _resolved(request, text, first, found)


def resumed(request: ForgetRequest, text: str, resolution: Resolution, found: Sequence[Referent]) -> Resolution:
    """Return *resolution* with what goes along, now that *found* says which turns are answers."""
    return _resolved(request, text, resolution.meant[0], found)


def lowered_with_answers(request: ForgetRequest, resolution: Resolution, found: Sequence[Referent]) -> Resolution:
    """Return *resolution* with what repeats the lowered, now that *found* says which turns are answers."""
    lowered = {r.key: r for r in resolution.lowered}
    for first in resolution.lowered:
        lowered |= {r.key: r for r in found if r.key != first.key and _repeats(r, first, request)}
    suggested = {r.key: r for r in resolution.suggested} | lowered
    return replace(resolution, lowered=tuple(lowered.values()), suggested=tuple(suggested.values()))


def _resolved(request: ForgetRequest, text: str, first: Referent, found: Sequence[Referent]) -> Resolution:
    goes = [first, *(r for r in found if r.key != first.key and _repeats(r, first, request))]
    return Resolution(meant=tuple(goes), suggested=(), reason="", request_tells=_tells(text, first.text))


def _unclear(request: ForgetRequest, text: str, spoken: Sequence[Referent], eligible: Sequence[Referent]) -> Resolution:
    lowered = _near_enough(request, [r for r in spoken if _person_may_fit(request, r)])
    likely = dict.fromkeys((*lowered, *_likely(eligible)))
    resolution = _unresolved(request, text, tuple(likely)[:SUGGESTIONS_MAX], UNCLEAR)
    return replace(resolution, lowered=lowered)


def _near_enough(request: ForgetRequest, fitting: Sequence[Referent]) -> tuple[Referent, ...]:
    """Return the one or two that the request most likely means, and that are ranked lower until somebody decides."""
    clause = bool(_CLAUSE.search(request.referent))
    ordered = sorted(fitting, key=lambda r: -((r.cosine or r.nearness) if clause else r.nearness))
    near = [r for r in ordered if _is_near(r)]
    if _ASKS_VALUE.search(request.referent):
        holding = [r for r in ordered if _has_asked_value(request.referent, r.text)]
        near = [r for r in near if r in holding] or near or [r for r in holding if _at_least(r, LOWERED_COSINE_HOLDING)]
    if near:
        return tuple(r for r in near if near[0].nearness - r.nearness <= LOWERED_MARGIN)[:LOWERED_MAX]
    return _standing_apart(ordered) or _confided(ordered)


def _standing_apart(ordered: Sequence[Referent]) -> tuple[Referent, ...]:
    """Return the first one or two, if they are about the speaker and all others are further away."""
    for count in range(1, LOWERED_MAX + 1):
        first, rest = ordered[:count], ordered[count:]
        apart = len(first) == count and first[-1].nearness - (rest[0].nearness if rest else 0.0) >= LOWERED_APART
        if apart and all(_at_least(r, LOWERED_COSINE_APART) and _is_personal(r.text) for r in first):
            return tuple(first)
    return ()


def _confided(ordered: Sequence[Referent]) -> tuple[Referent, ...]:
    told = [r for r in ordered if _at_least(r, LOWERED_COSINE_CONFIDED) and _CONFIDED.search(r.text)]
    return tuple(told[:1])


def _at_least(referent: Referent, cosine: float) -> bool:
    return referent.cosine is not None and referent.cosine >= cosine


def _is_personal(text: str) -> bool:
    return bool(_FIRST.search(text) or _kin(text))


def _is_near(referent: Referent) -> bool:
    if referent.cosine is None:
        return referent.share >= LOWERED_SHARE
    return referent.cosine >= (LOWERED_COSINE_NAMED if referent.share > 0 else LOWERED_COSINE)


def _likely(eligible: Sequence[Referent]) -> tuple[Referent, ...]:
    return tuple(r for r in eligible if r.standing >= SUGGESTED_STANDING)[:SUGGESTIONS_MAX]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much of what a referent is about stands in a text, from 0 to 1, and the words that do not.

    `lacks_value` is true if a number is asked for and there is none.
    """

    share: float
    missing: str
    lacks_value: bool = False


def coverage(referent: str, text: str) -> Coverage:
    """Return how much of what *referent* is about stands in *text*.

    Whose it is says nothing of what it is, so that kin and possessors do not count. A word that asks for a number is
    there if there is a number. Of Chinese the characters count, half if only the single character is there.
    """
    about = _POSSESSOR.sub(" ", _KIN_ZH.sub(" ", _KIN_EN.sub(" ", referent).replace("'s", " ")))
    wanted, plain = bool(_ASKS_VALUE.search(about)), _VAGUE_ZH.sub(" ", _ASKS_VALUE.sub(" ", about))
    known = frozenset(tokens(text))
    total = held = 0.0
    missing: list[str] = []
    for word in words(plain):
        weight, there, rest = _spaceless(word, known) if _CJK.match(word) else _spaced(word, known)
        total, held = total + weight, held + there
        missing += [rest] if rest else []
    if wanted:
        total, held = total + 1, held + _has_asked_value(about, text)
    lacks = wanted and not _has_asked_value(about, text)
    return Coverage(share=held / total if total else 0.0, missing=" ".join(missing), lacks_value=lacks)


def _has_asked_value(referent: str, text: str) -> bool:
    """Whether a text has the number that a referent asks for: a code is no year and no amount."""
    return bool(values(text if _ASKS_AMOUNT.search(referent) else _MEASURED.sub(" ", text)))


def _spaced(word: str, known: frozenset[str]) -> tuple[float, float, str]:
    if word in STOP_WORDS or word in _VAGUE:
        return 0.0, 0.0, ""
    root = stem(word)
    family = len(root) >= PREFIX and any(root[:PREFIX] == t[:PREFIX] for t in known)
    there = root in known or family
    return 1.0, float(there), "" if there else word


def _spaceless(word: str, known: frozenset[str]) -> tuple[float, float, str]:
    pairs = [word[i : i + 2] in known for i in range(len(word) - 1)]
    total = held = 0.0
    rest = ""
    for i, character in enumerate(word):
        if character in CJK_STOP:
            continue
        paired = any(pairs[j] for j in (i - 1, i) if 0 <= j < len(pairs))
        total += 1
        held += 1.0 if paired else 0.5 * (character in known)
        rest += "" if paired else character
    return total, held, word if len(rest) == 1 else rest


def _related(request: ForgetRequest, referent: Referent) -> Referent:
    """Return a referent that shares no word, but a word's beginning ("garden", "gardener"), with a share for that."""
    if referent.share > 0 or not _OWN.search(request.referent):
        return referent
    ours = [w for w in _content(request.referent) if w.isascii() and len(w) >= PREFIX]
    theirs = {w[:PREFIX] for w in _content(referent.text) if w.isascii()}
    near = sum(w[:PREFIX] in theirs for w in ours)
    return replace(referent, share=PREFIX_SHARE * near / len(ours)) if near else referent


def _unresolved(request: ForgetRequest, text: str, likely: tuple[Referent, ...], reason: str) -> Resolution:
    tells = request.certain and not likely and bool(_VALUE.search(text))
    return Resolution(meant=(), suggested=likely, reason=reason, request_tells=tells)


def restates(text: str, other: str) -> bool:
    """Return whether *text* says the same as *other*, word for word or nearly."""
    ours, theirs = _content(text), _content(other)
    if _folded(text) == _folded(other):
        return True
    if not ours or not theirs or values(text) != values(other):
        return False
    return len(ours & theirs) >= 0.8 * len(ours | theirs)


def values(text: str) -> frozenset[str]:
    """Return the numbers and codes in *text*: what a secret mostly consists of."""
    return frozenset(v.lower() for v in _VALUE.findall(text))


def _stands_out(first: Referent, second: Referent | None) -> bool:
    rest = second.standing if second is not None else 0.0
    clear = first.standing - rest >= LEAST_MARGIN and rest <= MOST_RATIO * first.standing
    return first.share > 0 and first.standing >= LEAST_STANDING and clear


def _may_be_meant(referent: Referent) -> bool:
    """Whether it is a statement of a user, or a fact: not small talk of the assistant, no question, no request."""
    if referent.role not in (None, "user") or referent.asks:
        return False
    return not _QUESTION.search(referent.text) or bool(values(referent.text))


def _person_fits(request: ForgetRequest, referent: Referent) -> bool:
    """Whether it is about the person asked about: "my weight" is not my sister's, nor the other way round."""
    asked, said = _kin(request.referent), _kin(referent.text)
    if asked:
        return bool(asked & said)
    names = set(_POSSESSOR.findall(request.referent))
    if names:
        return any(name in referent.text for name in names)
    if _OWN.search(request.referent) and referent.role is not None:
        return bool(_FIRST.search(referent.text)) and not said
    return True


def _person_may_fit(request: ForgetRequest, referent: Referent) -> bool:
    """Whether it may be about the person asked about, if less surely: "my flatmate" may be there by name alone."""
    if _person_fits(request, referent):
        return True
    names, asked = _POSSESSOR.findall(request.referent), _kin(request.referent)
    if names or not (asked or _OWN.search(request.referent)):
        return False
    said = _kin(referent.text)
    if asked:
        return not said or bool(_families(asked) & _families(said))
    return not _is_of_someone(referent.text)


def _is_of_someone(text: str) -> bool:
    """Whether a text is about a person around its speaker: "my sister moved", "my sister's weight", 我妹妹的体重."""
    return is_about_someone_else(text) or bool(re.search(rf"{_KIN_EN.pattern}['’]s\b", text, re.IGNORECASE))


def _kin(text: str) -> frozenset[str]:
    return frozenset(w.lower() for p in (_KIN_EN, _KIN_ZH) for w in p.findall(text))


def _families(kin: frozenset[str]) -> frozenset[int]:
    """Return the groups of words for one relation that *kin* fall into: a child may be a daughter."""
    return frozenset(i for i, group in enumerate(_RELATIONS) if kin & group)


def _repeats(referent: Referent, meant: Referent, request: ForgetRequest) -> bool:
    """Whether it goes along: it says the same, or is an answer that repeats what is to be forgotten."""
    if restates(referent.text, meant.text):
        return True
    common = values(referent.text) & values(meant.text)
    if referent.role in (None, "user"):
        return bool(common) and not referent.asks and _covered(meant.text, referent.text) >= 0.6
    told = _content(meant.text) - _content(request.referent)
    said = _content(referent.text)
    if referent.follows == meant.key:
        return bool(common) or (bool(told) and len(told & said) >= max(2, 0.5 * len(told)))
    return bool(common) and bool(_content(request.referent) & said)


def _tells(text: str, meant: str) -> bool:
    """Whether the request itself holds what is to be forgotten."""
    held = values(meant)
    return bool(held & values(text)) or (not held and _covered(meant, text) >= 0.8)


def _covered(text: str, by: str) -> float:
    ours = _content(text)
    return len(ours & _content(by)) / len(ours) if ours else 0.0


def _content(text: str) -> frozenset[str]:
    return frozenset(t for t in tokens(text) if t not in STOP_WORDS and not set(t) <= CJK_STOP)


def _folded(text: str) -> str:
    return _SPACE.sub(" ", text).strip(" .!?。！？").lower()
