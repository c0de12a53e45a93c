"""Requests to forget in English."""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepstone.logic.forgetting.request import MASK, ForgetRequest

TRIGGER = re.compile(
    r"\b(?:forg[eo]t|unlearn|eras|delet|remov|wip|scrub|purg|rid of|discard|drop|clear|strike|take|get|unsay|unremember"
    r"|stor|sav|keep|kept|remember|record|retain|hold|hang|note|mention|bring|pretend|act|disregard|ignor|on file|let)",
    re.IGNORECASE,
)

_FILLER = (
    r"(?:(?:please|pls|plz|kindly|just|hey|hi|hello|ok|okay|so|and|also|but|oh|well|actually|now|then|sorry"
    r"|wait|listen|look"
    r"|right|yes|no|thanks|anyway|by the way|btw|one more thing|another thing|quick one|quick thing|finally|simply"
    r"|quickly|immediately|completely|permanently|maybe|perhaps|possibly|on second thoughts?|in that case|for me"
    r"|if (?:you can|possible|you could|you would|you don't mind|that's ok(?:ay)?)|at once|today)\b[\s,;:.–—-]*)"
)
_YOU = r"(?:you|u|ya)"
_MODAL = r"(?:can|could|should|must|may|might|have to|need to|ought to|had better|better|will)"
_ASK = (
    rf"(?:(?:would|do) {_YOU} mind(?: if i ask(?:ed)? {_YOU} to)?"
    rf"|(?:can|could|would|will|may) (?:{_YOU}|we|i ask {_YOU} to)"
    rf"|i(?:'d| would) (?:really )?(?:like|love|want|prefer|need"
    rf"|appreciate)(?: it)?(?: for)?(?: if)?(?: that)? {_YOU}(?: to)?"
    rf"|i(?:'d| would) (?:much )?(?:rather|sooner)(?: that)? {_YOU}"
    rf"|i (?:really )?(?:want|need|would need|ask|beg|expect|order|urge|wish|must ask|have to ask) {_YOU} to"
    rf"|i(?:'d| would)(?: really)? (?:feel|be|sleep|rest)(?: \w+)? (?:better|happier|easier|calmer|safer"
    rf"|relieved) if {_YOU}"
    rf"|mind(?= \w+ing\b)|i(?:'m| am) asking {_YOU} to|{_YOU} {_MODAL}|{_YOU}'d better"
    rf"|(?:it|that) (?:would|'d|will) be (?:\w+ )?(?:great|nice|good|best|better|lovely|kind|helpful"
    rf"|wonderful)(?: of {_YOU})?"
    rf" (?:if|for|to)(?: {_YOU})?(?: could| would| to)?"
    rf"|(?:is it|would it be|is there|any chance|is there any) ?(?:possible|ok|okay|a way|any way|way|a chance)?"
    rf"(?: for {_YOU})? ?(?:to|{_YOU} could|{_YOU} can)"
    rf"|do me a favou?r(?: and|:|,)|go ahead and|make sure(?: that)? {_YOU}|be sure to|see that {_YOU}"
    rf"|be so (?:kind|good)(?: as)? (?:to|and)|feel free to|let's|i(?:'d| would) be (?:\w+ )?(?:grateful"
    rf"|glad|happy|thankful) if {_YOU}"
    rf"|(?:my )?(?:request|wish)(?: is)?:?)"
)
_LEAD = re.compile(rf"(?:{_FILLER}|{_ASK}\b[\s,:]*(?:could |would |to )?)*", re.IGNORECASE)

_FORGET = re.compile(
    r"(?:forget(?:ting)?|forgot|unlearn(?:ing|ed)?|unremember|unsay)\b(?: all)?(?: about)?", re.IGNORECASE
)
_DELETE = re.compile(
    r"(?:delet(?:e|ing|ed)|eras(?:e|ing|ed)|remov(?:e|ing|ed)|wip(?:e|ing|ed)(?: out| away)?|scrub(?:bing|bed)?"
    r"|purg(?:e|ing|ed)|(?:get|getting|got) rid of|discard(?:ing|ed)?|unsav(?:e|ing|ed)|expung(?:e|ing|ed)"
    r"|dispos(?:e|ing|ed) of|throw(?:ing)? (?:away|out))\b",
    re.IGNORECASE,
)
# Verbs that mean the memory only with its name, or with what was told.
_TAKE = re.compile(
    r"(?:tak(?:e|ing)|took|get(?:ting)?|got|drop(?:ping|ped)?|clear(?:ing|ed)?(?: out| away)?|strike|striking|struck"
    r"|scratch(?:ing|ed)?|lose|keep(?:ing)?(?= .*\b(?:out of|away from) (?:your|the)\b)|cross(?:ing"
    r"|ed)?(?: out| off)?|cut(?:ting)?|pull(?:ing|ed)?|leave|leaving)\b",
    re.IGNORECASE,
)
_KEEP_VERB = (
    r"(?:keep(?:ing)?|kept|stor(?:e|ing|ed)|sav(?:e|ing|ed)|remember(?:ing|ed)?|record(?:ing|ed)?|retain(?:ing|ed)?"
    r"|hold(?:ing)?(?: on)?(?: to| onto)?|hang(?:ing)? on to|not(?:e|ing|ed)(?: down)?|memori[sz](?:e|ing"
    r"|ed)|know(?:ing)?"
    r"|writ(?:e|ing) down|hav(?:e(?! to)|ing)|log(?:ging|ged)?|track(?:ing)?)"
)
_DONT_KEEP = re.compile(
    rf"(?:(?:don't|do not|never|not|didn't|did not|wouldn't)(?: ever)?(?: you)? "
    rf"|(?:you (?:don't|do not|needn't|need not)(?: need to| have to)?|there(?:'s| is) no (?:need"
    rf"|reason)(?: for you)? to|no (?:need|reason) to) |(?:stop|quit|cease|avoid|refrain from) )"
    rf"(?:ever |please |to )?{_KEEP_VERB}\b",
    re.IGNORECASE,
)
_DONT_MENTION = re.compile(
    r"(?:don't|do not|never|didn't|stop|quit)(?: ever| you ever)? "
    r"(?:mention(?:ing)?|bring(?:ing)? up|refer(?:ring)? to|talk(?:ing)? about|speak(?:ing)? of|bring)\b",
    re.IGNORECASE,
)
_AGAIN = re.compile(r"\b(?:again|any ?more|ever)\b", re.IGNORECASE)
_PRETEND = re.compile(
    r"(?:pretend|act (?:as if|as though|like)|imagine|make believe|behave as if)(?: that)? "
    r"(?:i|you|we)(?:'d|'ve)? (?:have |had )?(?:never|didn't|did not|hadn't|haven't|don't) "
    r"(?:have |had |ever )?(?:tell|told|mention\w*|say|said|hear\w*|share\w*|know|knew|learn\w*|bring up"
    r"|brought up|spoke of)"
    r"(?: you)?(?: anything)?(?: about)?\b",
    re.IGNORECASE,
)
_DISREGARD = re.compile(r"(?:disregard|ignore|never mind)\b", re.IGNORECASE)
_DONT_WANT = re.compile(
    r"i (?:don't|do not|no longer|never) (?:want|like|need)(?: to (?:have|see|keep))? (?P<object>.+?)"
    r"(?: to be| being| be)? (?:on (?:the |your )?(?:record|file)s?|kept|stored|saved|remembered|recorded"
    r"|retained|noted"
    r"|written down|memori[sz]ed|in (?:your|the) (?:memory|notes|records?|files?|history|head|brain))\b",
    re.IGNORECASE,
)
_DONT_WANT_YOU = re.compile(
    rf"i (?:don't|do not|no longer|never) want(?:ed)? {_YOU} (?:to )?(?:keep on )?{_KEEP_VERB}\b|"
    rf"i(?:'d| would) (?:rather|prefer)(?: it if| if)?(?: that)? {_YOU} (?:didn't|did not|don't|not"
    rf"|wouldn't)(?: to)? {_KEEP_VERB}\b",
    re.IGNORECASE,
)
_NOT_BE_KEPT = re.compile(
    r"i(?:'d| would) (?:rather|prefer|like)(?: that| for| it if)? (?P<object>.+?) (?:not|wasn't|weren't|isn't|were not)"
    r"(?: to)?(?: be)? (?:kept|stored|saved|remembered|recorded|retained|noted|on (?:record|file))\b",
    re.IGNORECASE,
)
_WANT_GONE = re.compile(
    r"(?:i(?:'d like| want| would like| need| wish)(?: to have)?|(?:please |kindly |just )*(?:have"
    r"|get)) (?P<object>.+?)(?: to be)? "
    r"(?:deleted|erased|removed|wiped|scrubbed|purged|forgotten|gone|struck|expunged)\b",
    re.IGNORECASE,
)
_PASSIVE_QUESTION = re.compile(
    r"(?:can|could|may|will|would) (?P<object>(?!you\b|i\b|we\b).+?)(?: please)? be (?:deleted|erased"
    r"|removed|wiped|purged|forgotten)\b",
    re.IGNORECASE,
)
_REGRET = re.compile(
    r"\bshould(?:n't| not| never) (?:have|be)\b|\bdid(?:n't| not) mean to\b|\bwrong of me\b|\b(?:was"
    r"|it's) (?:a )?(?:mistake|private|secret)\b"
    r"|\bregret\b|\btake back\b|\bis private\b|\b(?:not|n't) (?:feel )?comfortable\b|\bnobody's business\b"
    r"|\b(?:isn't|not) (?:yours|mine|my place)\b|\bremember when i\b|\byou know my\b",
    re.IGNORECASE,
)
_PASSIVE = re.compile(
    r"(?P<object>.+?) (?:should|must|can|could|has to|have to|needs to|need to|ought to|may|is to|are to)"
    r"(?: now| please| really)? (?:be (?:deleted|erased|removed|wiped|scrubbed|purged|forgotten|discarded|struck)"
    r"|(?:not|never) be (?:kept|stored|saved|remembered|recorded|retained|noted|mentioned))\b",
    re.IGNORECASE,
)
_SHOULD_NOT_BE = re.compile(
    r"(?P<object>.+?) (?:shouldn't|should not|mustn't|must not|doesn't belong|does not belong|has no place"
    r"|have no place)"
    r"(?: be)?(?: kept| stored| saved| remembered| recorded)? (?:in|on|among) your (?:memory|notes|records?"
    r"|files?|head)\b",
    re.IGNORECASE,
)
_LET_BE = re.compile(r"let (?P<object>.+?) be (?:forgotten|erased|deleted|gone)\b", re.IGNORECASE)

_MEMORY = (
    r"(?:memory|memories|notes?|notebook|records?|files?|history|histories|mind|head|brain|data|database|logs?|profile"
    r"|storage|archive|knowledge|brain|books|list of facts)"
)
_PLACE = re.compile(
    rf"\b(?:from|out of|off|in|on|of|across)(?: all(?: of)?)? (?:your|the) (?:(?:own|long-term|chat|entire"
    rf"|whole|internal) )*{_MEMORY}\b"
    rf"|\bfrom (?:what|everything|all|anything)(?: that)? you(?:'ve| have)? (?:know|remember|learned|stored"
    rf"|saved|have|got)(?: about me| on me| of me)?"
    r"|\bfrom memory\b|\boff the record\b",
    re.IGNORECASE,
)
_YOUR_NOTE = re.compile(
    rf"^(?:any |all |every )?(?:of )?(?:your |the )?(?:{_MEMORY}|entry|entries|information|info|memory) (?:of"
    rf"|about|on|regarding|concerning)\b",
    re.IGNORECASE,
)
_TOLD = re.compile(
    r"\b(?:(?:i|we)(?:'ve|'d)?(?: have| had)?(?: just| once| ever| already| only| never| should(?:n't| not) have)*"
    r" (?:told|gave|given|shared|said|mentioned|sent|texted|wrote|written|confided|confessed|showed|shown|let slip"
    r"|typed|dictated|posted|admitted|revealed|disclosed|described|brought up|spilled|entrusted|let on|passed on)"
    r"|you(?:'ve)?(?: have)? (?:know|have|remember|stored|saved|kept|noted|recorded|wrote down|written down"
    r"|learned|got))\b",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"^(?:that |the |this |those |these |any |all |whole |entire |every )+(?:thing|things|bit|bits|part"
    r"|parts|stuff|story|stories|business|"
    r"detail|details|info|information|note|notes|fact|facts|news|episode|matter|memory|remark|comment"
    r"|conversation|chat|talk|discussion) "
    r"(?:about|with|on|concerning|regarding|where|that)\b",
    re.IGNORECASE,
)
_OWN = re.compile(
    r"^(?:that |about |everything |anything |the (?:\w+ ){1,3}of |all |both |what |where |how |who |when )*"
    r"(?:my|our|mine)\b",
    re.IGNORECASE,
)
_OTHERS = re.compile(r"^(?:that |about )?(?:[a-z]+ )?[A-Z]?[\w-]+(?:'s|s')\b", re.IGNORECASE)
_CLAUSE_OBJECT = re.compile(
    r"^(?:about )?(?:that (?:i|we|my|our)\b|me \w+ing\b|(?:where|how|who|what|when|why|which)(?: (?!you\b)\w+){0,2}"
    r" (?:i|my|we|our)\b)",
    re.IGNORECASE,
)
_STATES = re.compile(r"^(?:about )?that (?:i|we|my|our)\b", re.IGNORECASE)
_PERSONAL = re.compile(r"(?i:\b(?:i|my|our|me|us|we|mine)\b)|\b[A-Z]\w+'s\b|(?<=about )[A-Z]\w+")
_THE = re.compile(r"^(?:about )?(?:the|that|those|these|this)\s+\w", re.IGNORECASE)
_PRONOUN = re.compile(
    r"^(?:about )?(?:all of )?(?:it|that|this|them|those|these|all that|all this|the lot|everything|the whole thing"
    r"|(?:that )?i (?:ever )?(?:said|mentioned|told you)(?: it| that| anything| so)?(?: at all)?)"
    r"(?: (?:all|now|again|too|completely|entirely|altogether|away|straight away|right away|at once"
    r"|immediately|forever|for good|please))*$",
    re.IGNORECASE,
)
_ME = re.compile(r"^(?:me|us|him|her|them|you|quiet|calm|going|on|up|in)\b", re.IGNORECASE)
_ARTEFACT = re.compile(
    r"\b(?:sentences?|paragraphs?|lines?|columns?|rows?|words?|commas?|full stops?|periods?|files?|folders?"
    r"|branch(?:es)?"
    r"|directory|cache|cells?|sections?|chapters?|slides?|pages?|functions?|variables?|codebase|commits?"
    r"|repo(?:sitory)?"
    r"|tables?|photos?|pictures?|images?|videos?|recordings?|background|noise|stain|cookies|browser"
    r"|comments?|posts?|tweets?"
    r"|drafts?|essay|poem|letter|e-?mails?(?! address)|messages?|tabs?|app|apps|software|rule|playlists?"
    r"|songs?|account(?! (?:number|detail))"
    r"|membership|reminders?|alarms|events?|appointments?|stitches|tooth|teeth|duplicates?|bullets?"
    r"|headings?|titles?|footnotes?"
    r"|quotes?|brackets?|adjectives?|last (?:one|two|three|part)|first (?:one|two|three|part)|second (?:one"
    r"|part)|third (?:one|part))\b|\.\w{2,4}\b|--",
    re.IGNORECASE,
)
_TASK = re.compile(
    r"\b(?:translat\w+|rewrit\w+|rephras\w+|summari[sz]\w+|proofread|paraphras\w+|shorten|shorter|(?:write"
    r"|draft|compose) (?:me )?(?:a|an|the)\b"
    r"|how (?:do|can|would|to|should)|what (?:happens|if)|remind me|remember to|in (?:french|german|spanish"
    r"|chinese|english|latin)\b)",
    re.IGNORECASE,
)
_REPORT = re.compile(
    r"\b(?:says?|said|saying|told(?! you)|tells|asked(?! you)|asks?|shout\w*|yell\w*|wrote|writes|reads"
    r"|read|sings?|sang|was like"
    r"|is like|goes|went|motto|advice|slogan|called|named|titled|lyrics?|sign|caption|headline|e-?mailed"
    r"|texted|replied|answered"
    r"|begged|warned|suggested|insisted|reminded|taught|rule is)\b",
    re.IGNORECASE,
)
# After "forget the …," only a reason leaves it a request; a plan makes it advice.
_REASON = re.compile(
    r"^(?:please|thanks|thank you|would you|could you|can you|will you|ok|okay|right|it|it's|he|he's|she"
    r"|she's|they|they're|that|that's|this|those"
    r"|somebody|someone|nobody|no one|because|since|as|for|my|our|i (?:shouldn't|should not|should never"
    r"|changed|was|did|didn't|don't want|do not want"
    r"|regret|made|have no|had no|never|got|signed|promised)|i've (?:no|changed|got|had|promised)"
    r"|and (?:don't|do not|never)|don't|never|there(?:'s| is| was))\b",
    re.IGNORECASE,
)
_TELLING = re.compile(
    r"\b(?:i )?(?:did(?:n't| not) mean to (?:share|tell|say|mention)|should(?:n't| not"
    r"| never) (?:have )?(?:come up|be said|been said|told|shared|mentioned|written)"
    r"|(?:it )?was wrong of me to (?:tell|share|mention)|changed my mind about (?:telling|sharing)"
    r"|remember when|is private|isn't yours(?: to keep)?"
    r"|(?:have )?written it down)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[^.!?;\n]+(?:[.](?=\w)[^.!?;\n]+)*[.!?;\n]*")
_BREAK = re.compile(
    r"\s*(?:[,:]|\s[-–—]+\s|[–—])\s*|\s+(?=(?:so|but)\s+(?:please|kindly|just|could|can|would|forget|delete"
    r"|erase|remove|wipe|don't)\b)|\s+(?=and\s+(?:please|kindly|could you|can you|would you)\b)"
)
_TAIL = re.compile(
    r"[\s,.!?;:–—-]+$|(?:[\s,]+(?:please|thanks|thank you|would you|could you|will you|ok|okay|right|now"
    r"|again|any ?more|anymore|ever again|at all|immediately"
    r"|right away|straight away|at once|for good|forever|completely|entirely|altogether|too|as well"
    r"|on record|on file|today|ever))+[\s,.!?]*$",
    re.IGNORECASE,
)
_CUT = re.compile(r"\s+(?:because|since|so that|before|in case|as it|as i|if you)\b.*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Command:
    """A command in a clause: what kind of verb, what stands after it, and how it began."""

    kind: str
    object: str
    lead: str
    verb: str = ""


def request(text: str) -> ForgetRequest | None:
    """Return the request in *text*, whose quotations are masked; None if there is none."""
    text = text.replace("’", "'")
    sentences = [s.strip() for s in _SENTENCE.findall(text) if s.strip()]
    best: ForgetRequest | None = None
    for number, sentence in enumerate(sentences):
        clauses = [c.strip() for c in _BREAK.split(sentence) if c.strip()]
        for place, clause in enumerate(clauses):
            earlier = [*sentences[:number], *clauses[:place]]
            command = _command(clause)
            if command is None or _reported(clauses[:place]) or _reported_after(clauses[place + 1 :]):
                continue
            found = _judged(command, earlier, clauses[:place], clauses[place + 1 :], text, sentence)
            if found is not None and (best is None or (found.certain and not best.certain)):
                best = found
    return best


def _reported(before: list[str]) -> bool:
    """Whether the clauses before a command make it somebody else's words."""
    joined = ", ".join(before)
    return bool(_REPORT.search(_TOLD.sub(" ", joined))) or MASK in joined


def _reported_after(after: list[str]) -> bool:
    """Whether what follows says that somebody else was spoken to: "…, I told Ann"."""
    return any(
        re.match(r"(?:\w+ )?(?:told|said|asked|shouted|wrote)\b(?! you)|says\b", a, re.IGNORECASE) for a in after
    )


def _command(clause: str) -> _Command | None:
    clause = clause.rstrip(" .!?;,")
    for pattern, kind in ((_DONT_WANT, "unwanted"), (_NOT_BE_KEPT, "unwanted"), (_SHOULD_NOT_BE, "unwanted")):
        if found := pattern.match(_after_fillers(clause)):
            return _Command(kind, found["object"], "")
    if found := _DONT_WANT_YOU.match(_after_fillers(clause)):
        return _Command("keep", clause[len(clause) - len(_after_fillers(clause)) + found.end() :], "i")
    for pattern in (_WANT_GONE, _PASSIVE_QUESTION):
        if found := pattern.match(_after_fillers(clause)):
            place = " from your memory" if _PLACE.search(clause) else ""
            return _Command("delete", _PLACE.sub(" ", found["object"]) + place, "you")
    lead = _LEAD.match(clause)
    start = lead.end() if lead else 0
    rest, opening = clause[start:], clause[:start].lower()
    verbs = (
        (_PRETEND, "pretend"), (_DONT_MENTION, "mention"), (_DONT_KEEP, "keep"), (_FORGET, "forget"),
        (_DELETE, "delete"), (_TAKE, "take"), (_DISREGARD, "disregard"),
    )  # fmt: skip
    for pattern, kind in verbs:
        if (found := pattern.match(rest)) and _form_fits(found.group(), opening):
            return _Command(kind, rest[found.end() :].strip(" ,:"), opening, found.group())
    if found := _LET_BE.match(rest):
        return _Command("forget", found["object"], "please")
    if (found := _PASSIVE.match(clause)) and not _REPORT.search(clause):
        place = " from your memory" if _PLACE.search(clause[found.end() :]) else ""
        return _Command("delete", found["object"] + place, "passive")
    return None


def _form_fits(verb: str, opening: str) -> bool:
    """Whether the form of a verb makes an order: the base, after "mind" the gerund, after "if you" the past."""
    first = verb.split()[0].lower()
    if first.endswith("ing"):
        return bool(re.search(r"\b(?:mind|consider|appreciate)\b", opening))
    if first in ("forgot", "took", "got", "struck") or first.endswith("ed"):
        return bool(re.search(r"\b(?:if|rather|sooner|better|that) (?:you|u)\b", opening))
    return True


def _after_fillers(clause: str) -> str:
    return re.sub(rf"^(?:{_FILLER})*", "", clause, flags=re.IGNORECASE)


def _judged(
    command: _Command, earlier: list[str], before: list[str], after: list[str], text: str, sentence: str
) -> ForgetRequest | None:
    raw = command.object
    placed = bool(_PLACE.search(raw)) or bool(_YOUR_NOTE.match(raw))
    cleaned = _YOUR_NOTE.sub("", _PLACE.sub(" ", raw)).strip()
    told = bool(_TOLD.search(cleaned))
    cleaned = _trimmed(cleaned)
    if MASK in cleaned or not _fits(command, cleaned, raw, placed, sentence):
        return None
    if (_TASK.search(text) and not placed) or _question_of_fact(command, sentence):
        return None
    if _PRONOUN.match(cleaned) or not cleaned:
        return _by_antecedent(command, cleaned, earlier, before, placed)
    artefact = _ARTEFACT.search(cleaned) and not _STATES.match(cleaned)
    if command.kind in ("delete", "take", "keep") and not placed and not told and artefact:
        return None
    if command.kind == "forget" and re.search(r"\byou(?:'ve)? (?:know|learned)", raw) and not _PERSONAL.search(raw):
        return None
    certain = placed or told or _owned(command, cleaned, after)
    if command.kind in ("take", "disregard"):
        certain = (placed or told) and command.kind == "take"
        if not (placed or told):
            return None
    if command.kind == "forget" and not (told or placed) and not _plain_forget(command, cleaned, after):
        return None
    referent = _without_telling(cleaned)
    context = " ".join([*earlier, cleaned, *after])
    return ForgetRequest(referent=referent or context, context=_without_telling(context), certain=certain)


def _fits(command: _Command, cleaned: str, raw: str, placed: bool, sentence: str) -> bool:
    """Whether the object can be the verb's: "don't keep me waiting" keeps nothing in memory."""
    absent = re.match(
        r"(?:please |never )*(?:don't|do not) (?:remember|know|have)", command.lead + command.verb, re.IGNORECASE
    )
    asked = _polite(command) or "you" in command.lead or "please" in sentence.lower()
    if absent and not (placed or asked or _TOLD.search(raw)):
        return False
    if command.kind == "mention":
        return bool(_AGAIN.search(raw) or re.search(r"\b(?:ever|stop|quit)\b", sentence, re.IGNORECASE))
    if command.kind in ("keep", "delete", "take") and _ME.match(cleaned) and not _PRONOUN.match(cleaned):
        return False
    if (
        command.kind == "keep"
        and not placed
        and not _CLAUSE_OBJECT.match(cleaned)
        and re.search(r"\b(?:in|on|at|under|near|inside|by) (?:the|a|my|your)\b", cleaned)
    ):
        return bool(_TOLD.search(cleaned))
    return not (
        command.kind == "delete" and not placed and re.search(r"\b(?:from|off) (?:my|the|a|his|her|our)\b", cleaned)
    )


def _polite(command: _Command) -> bool:
    return bool(re.search(r"\b(?:please|pls|plz|kindly)\b", command.lead))


def _question_of_fact(command: _Command, sentence: str) -> bool:
    """Whether it only asks whether something happened or would."""
    return sentence.endswith("?") and not re.search(
        r"you|mind|possible|can|could|please|kindly", sentence, re.IGNORECASE
    )


def _owned(command: _Command, cleaned: str, after: list[str]) -> bool:
    """Whether the object is the user's to take back: theirs, somebody's by name, what they said of it."""
    if command.kind in ("unwanted", "pretend", "mention"):
        return True
    if _ABOUT.match(cleaned) or _OWN.match(cleaned) or _CLAUSE_OBJECT.match(cleaned) or _OTHERS.match(cleaned):
        return True
    polite = _polite(command) or any("please" in a.lower() for a in after)
    asked = polite or bool(re.search(r"\byou\b", command.lead))
    return bool(_THE.match(cleaned)) and (asked or command.kind == "forget")


def _plain_forget(command: _Command, cleaned: str, after: list[str]) -> bool:
    """Whether "forget …" is a request and not advice or a change of plan."""
    follows = [a for a in after if a]
    if follows and not _REASON.match(follows[0]):
        return False
    if re.match(r"you can|let's|can we", command.lead) and re.search(r"\babout\b", cleaned[:8] + command.object[:8]):
        return False
    if "let's" in command.lead or re.match(r"(?:seeing|getting|going|having|doing)\b", cleaned):
        return False
    polite = _polite(command) or "you" in command.lead or bool(follows)
    named = bool(_OWN.match(cleaned) or _CLAUSE_OBJECT.match(cleaned) or _ABOUT.match(cleaned))
    return named or (polite and bool(_THE.match(cleaned) or _OTHERS.match(cleaned)))


def _by_antecedent(
    command: _Command, cleaned: str, earlier: list[str], before: list[str], placed: bool
) -> ForgetRequest | None:
    """Return the request whose object is "it": what it stands for was said just before, in the same message."""
    nearest = [b for b in before if _says_something(b)] or [e for e in earlier[-2:] if _says_something(e)]
    if not nearest or command.kind in ("disregard",):
        return None
    words = " ".join(nearest)
    if re.match(r"i (?:told|gave|changed)\b.*", words, re.IGNORECASE) is None and re.match(
        r"you know my\b", words, re.IGNORECASE
    ):
        words = words[len("you know ") :]
    if (_ARTEFACT.search(words) and not placed and not _TOLD.search(words)) or MASK in words:
        return None
    if re.match(r"what\b", words, re.IGNORECASE):
        words = re.sub(r"(?<=\w)\s+(?:is|was|are|were)\s.*$", "", words)
    topic = re.sub(r"^(?:about|regarding|concerning|as for|as to|and)\s+", "", _trimmed(words), flags=re.IGNORECASE)
    told = bool(_TOLD.search(words) or _REGRET.search(words)) or bool(
        re.search(r"\bi\b.*\b(?:said|mentioned)", cleaned, re.IGNORECASE)
    )
    unwanted = bool(
        re.search(r"\bi (?:don't|do not) want\b|\b(?:i'd|i would) (?:rather|prefer)\b", words, re.IGNORECASE)
    )
    asked = not before and words.endswith("?") and len(words.split()) <= 7
    phrase = (bool(before) or asked) and (
        bool(_OWN.match(topic))
        or bool(_THE.match(topic))
        or bool(_OTHERS.match(topic))
        or topic.lower().startswith("what ")
    )
    statement = bool(re.search(r"\b(?:was|were|is cancelled|fell|went|broke|got)\b", topic)) and not told
    certain = told or unwanted or placed or (phrase and not statement)
    if not certain:
        return None
    return ForgetRequest(referent=_without_telling(topic), context=_without_telling(" ".join(earlier)), certain=True)


def _says_something(clause: str) -> bool:
    return bool(re.sub(rf"^(?:{_FILLER})*", "", clause.strip(" .!?,;:") + " ", flags=re.IGNORECASE).strip())


def _trimmed(phrase: str) -> str:
    phrase = _CUT.sub("", phrase).strip()
    while (shorter := _TAIL.sub("", phrase)) != phrase:
        phrase = shorter
    return phrase.strip(" ,.:;!?")


def _without_telling(phrase: str) -> str:
    """Return *phrase* without the words that only say that it was said."""
    shorter = _TELLING.sub(" ", _TOLD.sub(" ", phrase))
    shorter = re.sub(
        r"\b(?:(?:that|the|this|whole) (?:thing|bit|part|stuff|story|matter|note|business|fact)s?|what"
        r"|everything|anything|about|ever|you|please|that|yesterday|earlier"
        r"|just now|record|file|kept|stored|saved|don't want|i'd rather|didn't keep|it)\b",
        " ", shorter, flags=re.IGNORECASE,
    )  # fmt: skip
    return re.sub(r"\s+", " ", shorter).strip(" ,.:;!?-") or phrase.strip()
