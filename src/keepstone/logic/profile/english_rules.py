"""The rules for statements in English: each goes on from the end of its subject."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from keepstone.logic.profile.english_words import (
    ADVERB,
    AM,
    CAPITAL,
    CONDITION,
    DIET,
    DOING,
    END,
    FUTURE,
    HAVE,
    JOB,
    KIN_HERE,
    LOOSE,
    MONTH,
    NO_JOB,
    NO_NAME,
    NO_NATION,
    PLACE,
    PROGRESS,
    TRANSIENT,
    TRANSIENT_PLAN,
    VALUE,
    chosen,
    is_workplace,
)
from keepstone.logic.profile.statement import Rule, Section

Row = tuple[Section, str, str, bool] | tuple[Section, str, str, bool, Callable[[str], bool]]


def _rules(*rows: Row) -> tuple[Rule, ...]:
    """Return the rules of rows: section, slot, pattern, whether it has one value, and what its value must satisfy."""
    made = []
    for row in rows:
        rule = Rule(section=row[0], slot=row[1], pattern=re.compile(row[2], re.IGNORECASE), single=row[3])
        made.append(rule if len(row) == 4 else replace(rule, holds=row[4]))
    return tuple(made)


I_RULES = _rules(
    (
        "identity",
        "origin",
        rf"{ADVERB} (?:hail|come) from (?P<value>{CAPITAL}[^,.;:!?()\n]{{0,30}}?){END}",
        True,
    ),
    ("work", "occupation", rf"{ADVERB} teach (?P<value>[^,.;:!?()\n]{{2,50}}?){END}", True, chosen),
    (
        "work",
        "study",
        r" (?:do|am doing|'m doing) my (?P<value>(?:phd|master's|bachelor's|degree) (?:in|at) \w+)",
        True,
    ),
    (
        "work",
        "employer",
        r"(?: was| got|'ve been| have been) (?P<value>laid off|fired|made redundant|forced out)\b",
        True,
    ),
    (
        "constraints",
        "faith",
        rf"{AM}{ADVERB} (?:an? )?(?:\w+ing )?(?P<value>muslim|jewish|hindu|buddhist|sikh|catholic|quaker|mormon)\b",
        True,
    ),
    (
        "identity",
        "residence",
        rf"{ADVERB} live{ADVERB} (?:in|at|near|on|outside|close to|just outside) {PLACE}",
        True,
    ),
    (
        "identity",
        "residence",
        rf"(?:{AM}|{HAVE} been){ADVERB} (?:living|based|settled|residing) (?:in|at|near|on|out"
        rf" of|outside) {PLACE}",
        True,
    ),
    (
        "identity",
        "residence",
        rf"(?:{HAVE})?{ADVERB} (?:moved|relocated|moved back|moved out|moved house)"
        rf"(?: back| out| over| away| in| up| down| here)?(?: from [^,.;!?]{{1,30}})? (?:to|into) {PLACE}",
        True,
    ),
    ("identity", "residence", rf" (?:no longer|don't|do not) live{ADVERB} (?:in|at|near|on) {PLACE}", True),
    ("identity", "age", rf"{AM}{ADVERB} (?P<value>[1-9]\d(?: years?[ -]old| ?y/?o)?)(?= *(?:[,.;!]|and\b|$))", True),
    ("identity", "age", rf"{ADVERB} (?:turned|just turned) (?P<value>[1-9]\d)\b(?! (?:down|off|it))", True),
    (
        "identity",
        "origin",
        rf"{AM}{ADVERB} (?:originally )?from (?P<value>{CAPITAL}[^,.;:!?()\n]{{0,30}}?){END}",
        True,
    ),
    (
        "identity",
        "origin",
        rf"{ADVERB} (?:grew up|was born(?: and raised)?|was raised) in (?P<value>(?:the |a )?"
        rf"(?:{CAPITAL}|(?:small |tiny |little )?(?:town|village|city)\b)[^,.;:!?()\n]{{0,30}}?){END}",
        True,
    ),
    (
        "identity",
        "birthday",
        rf"{ADVERB} was born (?:on|in) (?P<value>(?:{MONTH}\b|the \d|\d)[\w ,]{{0,16}}?){END}",
        True,
    ),
    (
        "identity",
        "nationality",
        rf"{AM}{ADVERB} (?P<value>(?-i:[A-Z])[a-z]+(?:ese|ish|ian|ean|can|man|nch|ss|iss|ch|lian"
        rf"|wegian|egian|rean|xican|qi|li|ni))(?= *(?:[,.;!]|and\b|but\b|$))",
        True,
        lambda v: v not in NO_NATION,
    ),
    (
        "identity",
        "marital status",
        rf"(?:{AM}|{HAVE} been){ADVERB} (?:(?:recently|newly|happily) )?(?P<value>married"
        rf"|single|divorced|widowed|separated|engaged)(?! (?:with|in|out|use|use|from (?:reality|it))|-)\b(?![ "
        rf"-]hand)",
        True,
    ),
    (
        "identity",
        "marital status",
        rf"{ADVERB} (?:got|just got|recently got) (?P<value>married|divorced|engaged)\b",
        True,
    ),
    (
        "identity",
        "language",
        rf"{ADVERB} speak (?:fluent |some |a little |a bit of |native )?(?P<value>{CAPITAL})(?:"
        rf"[^,.;:!?()\n]{{0,30}}?){END}",
        False,
    ),
    ("identity", "name", rf"{AM} called (?P<value>{CAPITAL}(?: {CAPITAL})?)", True),
    (
        "work",
        "occupation",
        rf"{AM}{ADVERB} (?:an?|the) (?P<value>(?:[\w'/-]+ ){{0,4}}?{JOB}(?: in| at| by)?\b"
        rf"[^,.;:!?()\n]{{0,30}}?){END}",
        True,
        lambda v: not v.lower().startswith(NO_JOB),
    ),
    ("work", "occupation", rf"{ADVERB} work{ADVERB} as (?P<value>(?:an?|the) [^,.;:!?()\n]{{2,50}}?){END}", True),
    (
        "work",
        "occupation",
        rf"(?:{AM}|{HAVE} been){ADVERB} working as (?P<value>an? [^,.;:!?()\n]{{2,50}}?){END}",
        True,
    ),
    ("work", "employer", rf"{ADVERB} work{ADVERB} (?:at|for|in|with) {VALUE}", True, is_workplace),
    (
        "work",
        "employer",
        rf"(?:{AM}|{HAVE} been){ADVERB} (?:employed|working) (?:at|for|by) (?P<value>(?:an? |the )?"
        rf"{CAPITAL}[^,.;:!?()\n]{{0,40}}?){END}",
        True,
        is_workplace,
    ),
    (
        "work",
        "employer",
        rf"(?:{HAVE})?{ADVERB} (?:joined|started(?: working| a (?:new )?job)?(?: at| as))"
        rf" (?P<value>(?:an? |the )?{CAPITAL}[^,.;:!?()\n]{{0,40}}?){END}",
        True,
        is_workplace,
    ),
    (
        "work",
        "employer",
        rf"(?:{HAVE})?{ADVERB} (?:quit|left|lost|resigned from|gave up) (?P<value>my (?:\w+ )?job)\b",
        True,
    ),
    (
        "work",
        "employer",
        rf"{AM}{ADVERB} (?P<value>unemployed|self-employed|retired|between jobs|out of work)\b",
        True,
    ),
    (
        "work",
        "study",
        rf"{ADVERB} (?:study|major in|go to (?:college|university) (?:at|in)) (?P<value>(?:{CAPITAL}"
        rf"|[a-z]+)[^,.;:!?()\n]{{0,40}}?){END}",
        True,
        lambda v: chosen(v) and is_workplace(v),
    ),
    (
        "work",
        "study",
        rf"{AM}{ADVERB} (?:studying|majoring in|enrolled (?:at|in)) (?P<value>[^,.;:!?()\n]{{2,50}}?)"
        rf"{END}",
        True,
        lambda v: chosen(v) and not v.lower().startswith(("for ", "hard", "at home", "a lot")),
    ),
    (
        "health",
        "allergy",
        rf"{AM}{ADVERB} (?:(?:severely|deadly|deathly|mildly|highly|very|terribly|slightly|so|a bit) )?"
        rf"allergic to {VALUE}",
        False,
        lambda v: v.split()[0].lower() not in LOOSE,
    ),
    (
        "health",
        "allergy",
        rf"{HAVE} (?P<value>(?:an? )?(?:[\w-]+ ){{0,3}}allerg(?:y|ies)\b(?: to [^,.;:!?()\n]{{2,40}}?"
        rf")?){END}",
        False,
    ),
    (
        "health",
        "intolerance",
        rf"{AM}{ADVERB} (?P<value>(?:lactose|gluten|fructose|histamine|dairy)[ -]intolerant)",
        False,
    ),
    (
        "health",
        "condition",
        rf"{AM}{ADVERB} (?:an? )?(?P<value>(?:type \w+ )?diabetic|asthmatic|epileptic|c(?:o)?eliac"
        rf"|dyslexic|colou?r[- ]?blind|deaf|hard of hearing|legally blind|pregnant|anemic|anaemic|autistic"
        rf"|h(?:a)?emophiliac|short-sighted|near-sighted|nearsighted)\b",
        False,
    ),
    (
        "health",
        "condition",
        rf"(?:{HAVE}| (?:suffer|suffered) from|{HAVE} (?:always |long )?had){ADVERB} (?P<value>"
        rf"{CONDITION})\b",
        False,
    ),
    ("health", "condition", rf"(?: was|{HAVE} been){ADVERB} diagnosed with {VALUE}", False),
    (
        "constraints",
        "diet",
        rf"(?:{AM}|{HAVE} been){ADVERB} (?P<value>{DIET}|on an? [\w-]+(?: [\w-]+)? diet)\b(?! (?:"
        rf"food|rest|dish|recipe|cook|option|meal|place))",
        True,
    ),
    ("constraints", "diet", rf"{AM} (?:not|no longer)(?: an?)? (?P<value>{DIET})\b", True),
    ("constraints", "diet", rf"(?:{HAVE})?{ADVERB} (?:went|gone|turned|became|become) (?P<value>{DIET})\b", True),
    (
        "constraints",
        "avoids",
        rf"{ADVERB} (?:don't|do not|can't|cannot|never|can not){ADVERB} (?:eat|drink|smoke|consume)"
        rf"{ADVERB}(?: any)? {VALUE}",
        False,
        lambda v: v.split()[0].lower() not in LOOSE and not TRANSIENT.search(v),
    ),
    (
        "constraints",
        "avoids",
        rf"{ADVERB} (?:don't|do not|never) (?P<value>drink|smoke|drive)(?= *(?:[,.;!]|$))",
        False,
    ),
    (
        "constraints",
        "cannot",
        rf"{ADVERB} (?:can't|cannot) (?P<value>swim|drive|ride a bike|cook)(?= *(?:[,.;!]|$))",
        False,
    ),
    (
        "constraints",
        "keeps",
        rf"{ADVERB} (?:keep|eat|only eat) (?P<value>kosher|halal|gluten-free|dairy-free|plant-based"
        rf"|vegetarian|vegan)\b",
        False,
    ),
    ("preferences", "likes", rf"{ADVERB} (?:like|love|enjoy|adore|prefer)(?!d) {VALUE}", False, chosen),
    (
        "preferences",
        "likes",
        rf"{ADVERB} (?:hate|dislike|detest|loathe|can't stand|cannot stand|can't bear|don't like|do"
        rf" not like|don't enjoy|do not enjoy|don't love) {VALUE}",
        False,
        chosen,
    ),
    (
        "preferences",
        "likes",
        rf"{AM}{ADVERB} (?:not )?(?:an? (?:big |huge |massive |great |real |lifelong )*(?:fan of"
        rf"|lover of)|into|fond of|crazy about|keen on|obsessed with|passionate about) {VALUE}",
        False,
        chosen,
    ),
    (
        "people",
        "relation",
        rf"(?:{HAVE}|{HAVE} got){ADVERB} (?P<value>(?:an?|one|two|three|four|five|six|no)"
        rf"(?: (?:older|younger|little|big|twin|elder|adopted|grown-up|grown|small|young))* (?:brothers?"
        rf"|sisters?|sons?"
        rf"|daughters?|kids?|child|children|siblings?|twins|grandkids|grandchildren|nephews?|nieces?|wife|husband"
        rf"|girlfriend|boyfriend|stepson|stepdaughter)(?: (?:called|named|and) [^,.;:!?()\n]{{1,40}}?)?){END}",
        False,
    ),
    (
        "people",
        "pet",
        rf"(?:{HAVE}|{HAVE} got| own){ADVERB} (?P<value>(?:an?|one|two|three|four|five) "
        rf"(?:(?!about|for|with|of|to|at|on|in|from|like|by)[\w-]+ ){{0,3}}?(?:dogs?|cats?|pupp(?:y|ies)"
        rf"|kittens?|parrots?|rabbits?|horses?|hamsters?|tortoise|budgies?|ferrets?"
        rf"|guinea pigs?)(?: (?:called|named) [^,.;:!?()\n]{{1,30}}?)?){END}",
        False,
    ),
    ("plans", "plan", rf"(?:{AM}|{HAVE} been){ADVERB} planning (?:to|on|an?|my|our) {VALUE}", False, chosen),
    ("plans", "plan", rf"{ADVERB} (?:plan|intend) (?:to|on) {VALUE}", False),
    ("plans", "plan", rf"{HAVE}{ADVERB} decided to {VALUE}", False),
    (
        "plans",
        "plan",
        rf"(?:'ll| will)\b(?P<value>[^.;:!?()\n]{{1,60}}?\b{FUTURE})",
        False,
        lambda v: not TRANSIENT_PLAN.search(v),
    ),
    (
        "plans",
        "plan",
        rf"{AM}{ADVERB} (?:going to|gonna|{DOING})\b"
        rf"(?P<value>[^.;:!?()\n]{{1,60}}?\b{FUTURE})",
        False,
        lambda v: not TRANSIENT_PLAN.search(v),
    ),
)
MY_RULES = _rules(
    (
        "identity",
        "name",
        rf" (?:(?:full|first|real) )?name(?: is|'s) (?P<value>{CAPITAL}(?: {CAPITAL}){{0,2}}"
        rf"|[a-z]{{3,12}}(?= *(?:[,.!]|$)))",
        True,
        lambda v: v not in NO_NAME,
    ),
    (
        "identity",
        "birthday",
        rf" birthday(?: is|'s)(?: on| in)? (?P<value>(?:the )?(?:{MONTH}\b|\d)[\w ,]{{0,16}}?){END}",
        True,
    ),
    ("identity", "origin", rf" home ?town is (?P<value>{CAPITAL}[^,.;:!?()\n]{{0,30}}?){END}", True),
    (
        "identity",
        "residence",
        rf" (?:new )?(?:address is|(?:home|house|flat|apartment) is (?:in|at|on)) {PLACE}",
        True,
    ),
    (
        "work",
        "occupation",
        rf" (?:job|profession|occupation)(?: is|'s) (?P<value>(?:an? )?[^,.;:!?()\n]{{0,30}}?\b{JOB}"
        rf"\b){END}",
        True,
    ),
    ("work", "occupation", rf" job (?:title )?is (?P<value>[^,.;:!?()\n]{{0,30}}?{JOB}\b){END}", True),
    (
        "preferences",
        "favourite",
        r" (?:all-time |absolute |new )?favou?rite (?P<value>[^,.;:!?()\n]{2,40}?) (?:is|are) "
        r"(?![^,.;:!?]*\b(?:that|this|when|so)\b)[^,.;:!?()\n]{2,60}",
        False,
        lambda v: len(v.split()) <= 5,
    ),
    ("health", "allergy", r" (?:[\w-]+ )?(?P<value>allergy|allergies) (?:is|are|to)\b", False),
    (
        "people",
        "relation",
        rf" (?P<value>{KIN_HERE}(?:'s name)?(?: is|'s) (?:(?:called|named) )?(?:{CAPITAL}"
        rf"|an? (?:[\w-]+ ){{0,3}}{JOB}\b|\d{{1,2}} years? old)(?:[^,.;:!?()\n]{{0,30}}?)){END}",
        False,
        lambda v: not PROGRESS.search(v),
    ),
    (
        "people",
        "relation",
        rf" (?P<value>{KIN_HERE}(?:,? (?-i:[A-Z][a-zé'-]+),?)? (?:lives|works|teaches|studies)"
        rf" (?:in|at|as|for|near) [^,.;:!?()\n]{{2,40}}?){END}",
        False,
    ),
    (
        "people",
        "relation",
        rf" (?P<value>{KIN_HERE},? (?-i:[A-Z][a-zé-]+))(?=[ ,.!]|$)",
        False,
        lambda v: v.split()[-1] not in NO_NAME,
    ),
    (
        "people",
        "pet",
        r" (?P<value>(?:dog|cat|puppy|kitten|parrot|rabbit|horse|hamster|tortoise)(?:'s name)?(?: is|'s)"
        r" (?:called |named )?(?-i:[A-Z][a-z]+))",
        False,
    ),
)
CALL_RULES = _rules(("identity", "name", rf" (?P<value>{CAPITAL})(?= *(?:[,.!]|please|instead|$))", True))
NAMED_RULES = _rules(
    (
        "identity",
        "name",
        rf"{AM} (?P<value>(?-i:[A-Z][a-zé-]+)(?: (?-i:[A-Z][a-z-]+))?)(?= *(?:[,.!]|and\b|from\b|$))",
        True,
    ),
)
# After a time to come: "Next month I will …".
PLANNED_RULES = _rules(
    (
        "plans",
        "plan",
        rf"(?:'ll| will|{AM} going to|{AM} gonna|(?={AM}{ADVERB} {DOING})){ADVERB}{VALUE}",
        False,
        lambda v: not TRANSIENT_PLAN.search(v),
    ),
)
