"""Names in English: capitals inside of sentences, titles in quotation marks, kinship and office."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepstone.naming import EntityKind, Mention

_WORD = r"[A-ZÀ-Þ][\w'’&-]*[\w]|[A-Z](?=\.[A-Z])\.[A-Z.]+|[A-Z]{2,}"
_NAME = re.compile(
    rf"(?<![\w'’#@/])(?:{_WORD})(?:(?: (?:of|the|de|la|van|von|der|du|di|bin|al|&|and the|of the))? (?:{_WORD}))*"
)
# White space, quotation marks and brackets may stand between the end of a sentence and the next.
_BEGINS = re.compile(r"(?:^|[.!?…:\n*•]|- )[\s\"'“”‘’(\[*_-]*$")
_KIN = re.compile(
    r"\b(?P<name>(?:Aunt|Auntie|Uncle|Grandma|Grandpa|Granny|Nana|Cousin|Sister|Brother|Coach|Captain|Father|Mother"
    r"|Dr|Mr|Mrs|Ms|Miss|Prof|Professor|President|Judge|Officer|Chef|Sir|Lady|Queen|King|Prince|Princess)\.? "
    r"[A-ZÀ-Þ][\w'’-]+(?: [A-ZÀ-Þ][\w'’-]+)?)"
)
_QUOTED = re.compile(r"[\"“](?P<name>[A-Z0-9][^\"“”\n]{1,60}?)[,.]?[\"”]")
_NO_NAME = frozenset(
    "i i'm i'd i'll i've im ok okay yes no yeah hi hello hey wow oh well thanks thank so and but or the a an "
    "this that "
    "these those it he she they we you my your his her our their its what when where who why how which is are "
    "was were "
    "do does did can could will would should may might must have has had let let's if then also just please "
    "sorry sure "
    "great good nice cool congrats congratulations bye dear monday tuesday wednesday thursday friday saturday sunday "
    "january february march april may june july august september october november december god christmas easter "
    "halloween thanksgiving mom mum dad mommy daddy grandma grandpa am pm tv dvd cd pc usb id faq asap lol omg "
    "diy ai url "
    "english french german spanish italian chinese japanese korean russian portuguese dutch american british "
    "european "
    "asian african indian mexican canadian australian irish swedish greek turkish arabic latin "
    "as at in on for with from to of by not now here there there's it's that's what's he's she's we're they're "
    "you're "
    "nobody everybody everyone someone somebody anyone anybody something nothing everything anything happy merry "
    "don't didn't can't won't isn't".split()
)
_PLACE_BEFORE = re.compile(
    r"\b(?:in|to|from|near|around|visit(?:ed|ing)?|toured?|across|through|leav(?:e|ing)|left for|flew to|at)"
    r"(?: the| downtown| central| old)? $"
)
_ORGANISATION = re.compile(
    r"\b(?:Inc|Ltd|LLC|Corp|GmbH|University|College|School|Institute|Academy|Bank|Hospital|Clinic|Company|Foundation"
    r"|Association|Club|Church|Ministry|Museum|Agency|Group|Airlines|Airways|Press|Records|Studios?|Council"
    r"|Society|FC)\b"
)
_PLACE = re.compile(
    r"\b(?:City|Street|Road|Avenue|Lake|Mount|Mountains?|River|Beach|Park|Island|Islands|Valley|Bay|Square"
    r"|Bridge|Coast"
    r"|County|Airport|Station|Hotel|Forest|Canyon|Falls)\b"
)
_PERSON_AFTER = re.compile(
    r"^(?:'s|’s)?,? (?:and I\b|said|says|told|tells|asked|thinks|called|calls|texted|loves|likes|hates|wants"
    r"|came|is coming"
    r"|was born|works|lives|moved|turned|who|got married|invited|gave|taught|helped)\b"
)
_PERSON_BEFORE = re.compile(
    r"\b(?:with|and|named|called|(?:friend|brother|sister|son|daughter|husband|wife|cousin|boss|colleague"
    r"|neighbou?r|coach"
    r"|teacher|dog|cat|partner|girlfriend|boyfriend|aunt|uncle|niece|nephew|roommate),?|thanks,?|hey|hi|met|met "
    r"up with) $",
    re.IGNORECASE,
)
_TRAILING = re.compile(r"(?:'s|’s)$")


def mentions(text: str, speaker: str | None = None) -> Iterator[Mention]:
    """Yield what *text* names, in order of kind of rule."""
    for match in _QUOTED.finditer(text):
        if sum(word[:1].isupper() or word[:1].isdigit() for word in match["name"].split()) * 2 > len(
            match["name"].split()
        ):
            yield Mention(name=match["name"], kind="thing")
    for match in _KIN.finditer(text):
        yield Mention(name=_TRAILING.sub("", match["name"]), kind="person")
    found = list(_NAME.finditer(text))
    inside = {_bare(m.group()) for m in found if not _BEGINS.search(text, 0, m.start())}
    for match in found:
        name = _bare(match.group())
        if name is None or _KIN.match(text, match.start()):
            continue
        shortened = not match.group().startswith(name)
        begins = not shortened and bool(_BEGINS.search(text[max(0, match.start() - 12) : match.start()]))
        if begins and name not in inside and not _is_surely_a_name(name, match.group(), text[match.end() :]):
            continue
        if speaker is None or name.lower() != speaker.lower():
            yield Mention(name=name, kind=_kind(name, text[: match.start()][-40:], text[match.end() :][:24]))


def _bare(found: str) -> str | None:
    """Return the name without words that are none at its ends, None if nothing is left."""
    words = _TRAILING.sub("", found).split()
    while words and (words[0].lower() in _NO_NAME or _TRAILING.sub("", words[0]).lower() in _NO_NAME):
        words = words[1:]
    while words and words[-1].lower() in _NO_NAME:
        words = words[:-1]
    return " ".join(words) if words and any(len(w) > 1 for w in words) else None


def _is_surely_a_name(name: str, found: str, after: str) -> bool:
    """Whether what begins a sentence is a name for all that."""
    return " " in name or name.isupper() or bool(_TRAILING.search(found) or _PERSON_AFTER.match(after))


def _kind(name: str, before: str, after: str) -> EntityKind:
    if _ORGANISATION.search(name):
        return "organisation"
    if _PLACE.search(name):
        return "place"
    if _PERSON_AFTER.match(after) or _PERSON_BEFORE.search(before):
        return "person"
    return "place" if _PLACE_BEFORE.search(before) else "thing"
