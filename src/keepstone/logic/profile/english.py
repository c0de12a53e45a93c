"""Statements about oneself in English."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepstone.logic.forgetting.request import BLANK
from keepstone.logic.people import KIN
from keepstone.logic.profile.english_rules import CALL_RULES, I_RULES, MY_RULES, NAMED_RULES, PLANNED_RULES
from keepstone.logic.profile.english_words import (
    ADVERB,
    AM,
    CLAUSE_END,
    CONDITION,
    DOUBT,
    FUTURE,
    HAVE,
    OVER,
    SENTENCE_END,
    TAG,
)
from keepstone.logic.profile.statement import Rule, Statement, sentence_around
from keepstone.logic.text import words
from keepstone.types import Span

# Where the subject of a statement stands; every rule goes on from its end.
TRIGGER = re.compile(r"\b(?:(?P<i>[Ii])(?=[ '’])|(?P<my>[Mm]y)(?= )|(?P<call>[Cc]all me)(?= ))")
_GREETED = re.compile(r"(?:^|[.!] )(?:hi|hello|hey)(?: there| everyone| all)?[,!.]? $", re.IGNORECASE)
_FUTURE_FIRST = re.compile(rf"{FUTURE},? $", re.IGNORECASE)
_WORDS = frozenset(
    "live living based settled residing moved relocated from grew born raised married single divorced widowed "
    "separated "
    "engaged speak called name work working employed joined started quit left lost resigned gave unemployed self "
    "retired "
    "job study studying major majoring enrolled allergic allergy allergies intolerant diabetic asthmatic "
    "epileptic celiac "
    "coeliac dyslexic colour colourblind color colorblind blindness deaf hearing blind pregnant anemic anaemic "
    "autistic short near "
    "haemophiliac hemophiliac nearsighted suffer suffered diagnosed had diet vegetarian vegan pescatarian "
    "pescetarian "
    "flexitarian teetotal teetotaler eat drink smoke consume drive swim ride cook keep kosher halal like love "
    "enjoy adore "
    "prefer hate dislike detest loathe stand bear fan lover into fond crazy keen obsessed passionate planning "
    "plan intend "
    "decided going gonna will i'll birthday town hometown address profession occupation favourite favorite out next "
    "tomorrow weekend turned call hail phd master's bachelor's degree teach laid fired redundant muslim jewish hindu "
    "buddhist sikh "
    "catholic quaker mormon name's birthday's moving flying travelling traveling visiting starting getting "
    "taking "
    "running leaving quitting retiring having hosting giving meeting beginning attending participating competing "
    "graduating dog cat puppy kitten parrot rabbit horse hamster tortoise".split()
)
# What needs none of them: "I'm a …", "I'm Oskar", "I'm 34", "I have two …".
_OPEN = re.compile(
    rf"\b(?:[Ii](?:(?:'m| am) (?:an? |the |not |now |[A-Z]|[1-9]\d)|(?:'ve| have)(?: got| had)? (?:an?|no|one"
    rf"|two|three|four"
    rf"|five|six|{CONDITION})\b)|[Mm]y (?:(?:\w+ )?(?:{KIN})(?:'s|,)? (?:name|is|lives|works|teaches|studies|[A-Z])"
    rf"|(?:{KIN}),? [A-Z]))"
)


def _going_on(after: str) -> tuple[Rule, ...]:
    """Return the rules for "I" that may go on with "am", with "have", or with another verb."""
    heads = {"am": (AM, f"(?:{AM}|"), "have": (HAVE, f"(?:{AM}|{HAVE}", f"(?:{HAVE}", f"(?: was|{HAVE}")}
    if after in heads:
        return tuple(r for r in I_RULES if r.pattern.pattern.startswith(heads[after]))
    return tuple(r for r in I_RULES if not r.pattern.pattern.startswith((AM, HAVE, f"(?:{AM}", f"(?:{HAVE}|{HAVE}")))


_RULES = {
    "am": _going_on("am"),
    "have": _going_on("have"),
    "else": _going_on("else"),
    "my": MY_RULES,
    "call": CALL_RULES,
}
# The verbs of the rules for "I", so that most other verbs cost one look.
_VERB = re.compile(
    rf"{ADVERB} (?:live|moved|relocated|no longer|don't|do not|speak|grew|was|turned|got|work|joined|started"
    rf"|quit|left|lost"
    rf"|resigned|gave|hail|come|teach|do my|am doing|study|major|go to|suffer|went|gone|became|become|can't"
    rf"|cannot|can not|never|keep|eat|like"
    rf"|love|enjoy"
    rf"|adore|prefer|hate|dislike|detest|loathe|own|plan|intend)\b|(?:'ll| will)\b",
    re.IGNORECASE,
)
_AFTER_I = re.compile(rf"(?P<am>{AM}\b)|(?P<have>{HAVE}\b)")


def may_state(text: str) -> bool:
    """Return whether *text* may hold a statement: cheap, and false for most texts."""
    if TRIGGER.search(text) is None:
        return False
    return not _WORDS.isdisjoint(words(text)) or _OPEN.search(text) is not None


def statements(text: str, original: str) -> Iterator[Statement]:
    """Yield the statements of *text*: *original* with straight apostrophes, and quotations blanked."""
    told: set[tuple[str, int]] = set()
    for subject in TRIGGER.finditer(text):
        for rule, value in _matches(text, subject):
            span = sentence_around(text, subject.start(), SENTENCE_END)
            key = (rule.slot, span.start)
            if key not in told and _is_stated(text, span, subject.start(), value):
                told.add(key)
                yield Statement(
                    section=rule.section,
                    slot=rule.slot,
                    single=rule.single,
                    span=span,
                    value=original[value.start : value.end].strip().lower(),
                )


def _matches(text: str, subject: re.Match[str]) -> Iterator[tuple[Rule, Span]]:
    """Yield the rules that go on from a subject, with where their value stands."""
    group, place = subject.lastgroup or "i", subject.end()
    if group == "i":
        after = _AFTER_I.match(text, place)
        group = "else" if after is None else after.lastgroup or ""
        before = text[max(0, subject.start() - 24) : subject.start()]
        greeted = NAMED_RULES if _GREETED.search(before) else ()
        planned = PLANNED_RULES if _FUTURE_FIRST.search(before) else ()
        told = group != "else" or _VERB.match(text, place) is not None
        rules = (*(_RULES[group] if told else ()), *greeted, *planned)
    else:
        rules = _RULES[group]
    for rule in rules:
        match = rule.pattern.match(text, place)
        if match is not None and rule.holds(match["value"]):
            yield rule, Span(start=match.start("value"), end=match.end("value"))


def _is_stated(text: str, span: Span, subject: int, value: Span) -> bool:
    """Whether a match is said as a fact: no question, condition, wish, report, nor of a time that is over."""
    if BLANK in text[value.start : value.start + 1] and value.end - value.start < 2:
        return False
    after = text[value.end : span.end]
    if _RELATIVE.search(text, max(span.start, subject - 16), subject):
        return False
    if DOUBT.search(text, span.start, subject) or OVER.search(after):
        return False
    if not text[: span.end].endswith(("?", '?"', "?)")):
        return True
    # A question may come after a statement: "I'm allergic to nuts, what can I bake?"
    opening = text[span.start : subject].strip(" ,").lower()
    return opening in _OPENINGS and bool(CLAUSE_END.search(after)) and not TAG.search(after.rstrip("?!. "))


# "The things I love": a part of something else.
_RELATIVE = re.compile(
    r"\b(?:things?|stuff|ones?|places?|people|music|food|activit(?:y|ies)|part|parts|all|way|something"
    r"|everything|anything"
    r"|anywhere|books?|songs?|games?|person|reason|company|city|town|much as|not that|than) $",
    re.IGNORECASE,
)
_OPENINGS = frozenset(
    ("", "hi", "hey", "hello", "so", "well", "since", "because", "as", "ok", "and", "but", "given that")
)
