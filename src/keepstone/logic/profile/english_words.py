"""The words of statements in English: what may stand in them, and what makes something else of them."""

from __future__ import annotations

import re

from keepstone.logic.people import KIN

ADVERB = (
    r"(?: (?:really|truly|absolutely|also|still|just|now|currently|presently|actually|always|usually|generally"
    r"|personally|honestly|already|recently|finally|only|mostly|mainly|only just|both|totally|quite|much|rather"
    r"|kind of"
    r"|sort of|pretty much|definitely|especially|particularly|simply|especially|very much|normally|officially"
    r"|part-time|full-time|remotely|freelance"
    r"|originally|happily|legally|proudly|genuinely|secretly|do))*"
)
AM = r"(?:'m| am)"
HAVE = r"(?:'ve| have)"
# What ends a value: punctuation, or a word that begins another clause.
END = (
    r"(?=\s*(?:$|[,.;:!?()…—–\n]|- |\b(?:and (?:i|my|we|it|the|then|am|have)|but|so|because|since|when|while"
    r"|which|who"
    r"|where|though|although|if|then|these days|now|at the moment|right now|again|too|as well|anymore|any more)\b))"
)
VALUE = r"(?P<value>[^,.;:!?()…—–\n]{1,70}?)" + END
CAPITAL = r"(?-i:[A-ZÀ-Þ][\w'-]*)"
_PLACE_NOUN = (
    r"(?:city|town|village|suburbs?|countryside|flat|apartment|house|studio|cottage|cabin|farm|condo|dorm|houseboat"
    r"|loft|downtown|centre|center|neighbou?rhood|district|north|south|east|west|coast|sea|mountains|island|lake"
    r"|river"
    r"|station|block|building|street|place|houseshare|country|hills|outskirts|bungalow|duplex|townhouse|trailer|van)"
)
PLACE = (
    rf"(?P<value>(?:(?:the|downtown|central|east|west|north|south|northern|southern|eastern|western|upstate"
    rf"|old|near|rural) )*(?:{CAPITAL}|(?:an?|the|my own|our own)(?: [\w'-]+){{0,3}} {_PLACE_NOUN}\b)[^,.;:!?()…—–\n]"
    rf"{{0,50}}?){END}"
)
JOB = (
    r"(?:nurse|teacher|engineer|developer|programmer|designer|student|doctor|surgeon|lawyer|attorney|accountant"
    r"|writer"
    r"|author|journalist|editor|photographer|artist|painter|musician|singer|actor|actress|chef|cook|baker|waiter"
    r"|waitress|barista|bartender|carpenter|plumber|electrician|mechanic|driver|pilot|farmer|gardener|florist|dentist"
    r"|pharmacist|therapist|psychologist|psychiatrist|counsel+or|social worker|consultant|analyst|scientist"
    r"|researcher"
    r"|professor|lecturer|librarian|translator|interpreter|architect|paramedic|firefighter|police officer|soldier"
    r"|veteran|secretary|receptionist|salesperson|marketer|recruiter|banker|broker|entrepreneur|freelancer|manager"
    r"|director|technician|biologist|chemist|physicist|mathematician|economist|veterinarian|vet|vet nurse|midwife"
    r"|hairdresser|barber|tailor|cashier|butcher|builder|welder|roofer|bricklayer|surveyor|statistician|radiographer"
    r"|optician|physiotherapist|nutritionist|dietitian|trainer|coach|tutor|nanny|childminder|cleaner|caretaker"
    r"|janitor"
    r"|postman|courier|sailor|fisherman|beekeeper|potter|sculptor|dancer|choreographer|composer|conductor|producer"
    r"|filmmaker|animator|illustrator|geologist|archaeologist|historian|auditor|actuary|bookkeeper|paralegal|judge"
    r"|notary|clerk|civil servant|diplomat|priest|pastor|monk|imam|rabbi|stay-at-home (?:mum|mom|dad|parent)"
    r"|homemaker"
    r"|housewife|postdoc|intern|apprentice|undergraduate|freshman|sophomore|phd candidate|data scientist|blogger"
    r"|streamer"
    r"|youtuber|podcaster|landscaper|stylist|makeup artist|flight attendant|tour guide|bus driver|truck driver)"
)
CONDITION = (
    r"(?:(?:type (?:1|2|one|two|i|ii) )?diabetes|asthma|epilepsy|arthritis|migraines?|high blood pressure"
    r"|hypertension"
    r"|hypothyroidism|hyperthyroidism|celiac(?: disease)?|coeliac(?: disease)?|crohn's(?: disease)?|ibs|adhd|add"
    r"|autism"
    r"|dyslexia|depression|anxiety|insomnia|eczema|psoriasis|endometriosis|fibromyalgia|ptsd|ocd|bipolar(?: "
    r"disorder)?"
    r"|high cholesterol|an? heart condition|a bad (?:back|knee|hip|shoulder)|hay fever|lupus|multiple sclerosis"
    r"|tinnitus|scoliosis|sciatica|an?emia|gout|glaucoma|sleep apn(?:o)?ea|acid reflux|pcos|parkinson's|cancer"
    r"|colou?r blindness|a pacemaker|an? (?:[\w-]+ )?(?:intolerance|disorder|disability))"
)
DIET = (
    r"(?:vegetarian|vegan|pescatarian|pescetarian|flexitarian|teetotal(?:er)?|a (?:strict |lifelong |committed )?"
    r"(?:vegetarian|vegan|pescatarian|pescetarian|flexitarian|teetotaler|non-drinker|non-smoker))"
)
MONTH = r"(?:january|february|march|april|may|june|july|august|september|october|november|december)"
_DAY = r"(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
FUTURE = (
    rf"(?:next (?:week|month|year|weekend|spring|summer|autumn|fall|winter|term|semester|{MONTH}|{_DAY})"
    rf"|this (?:coming )?(?:weekend|summer|autumn|fall|winter|spring|{_DAY})|on {_DAY}|in {MONTH}"
    rf"|in (?:a|two|three|four|five|six|\d+|a few|a couple of) (?:days?|weeks?|months?|years?)|later this "
    rf"(?:year|month)"
    rf"|by the end of (?:the|this) (?:year|month))\b(?!\.\w)"
)
DOING = (
    r"(?:moving|flying|travell?ing|visiting|starting|getting married|going|taking|running|leaving|quitting|retiring"
    r"|having|hosting|giving|meeting|beginning|attending|participating|competing|studying|graduating)"
)
KIN_HERE = rf"(?:(?:older|younger|elder|little|big|twin|late|best|oldest|youngest|eldest) )?(?:{KIN})"
LOOSE = frozenset(
    "that this it these those you your yours him her his hers them their how what when where who why to my mine "
    "me we our us i there here everything anything something nothing all both being hearing seeing knowing one ones "
    "thinking talking feeling such everyone someone somebody myself yourself having working if so too not few".split()
)
_THE = frozenset(
    "outdoors sea ocean beach mountains mountain countryside rain snow cold heat piano guitar theatre theater "
    "cinema gym violin cello drums opera sun winter summer autumn colour color smell taste".split()
)
# Before the statement in its sentence: a condition, a wish, a guess, or another who says it.
DOUBT = re.compile(
    r"\b(?:if|unless|wish\w*|imagin\w*|suppos\w+|pretend\w*|hypothetical\w*|maybe|perhaps|probably|would|could|might"
    r"|when|whenever|while|before|until|till|whether|what|how|where|who|why|once|"
    r"sa(?:y|ys|id)|t(?:ell|ells|old)|think|thinks|thought|ask|asks|asked|believ\w+|assum\w+|guess\w*|claim\w*|heard"
    r"|hopes?|hoped|hoping|dream\w*|as though|as if|used to|back then|years ago|did you know|let's say|say|joked?"
    r"|let me|make me|makes me|made me|feels? like|felt like|days|the time|sometimes i|remember)\b",
    re.IGNORECASE,
)
# A subject of a second clause ("my job says I live in …") is met by the verbs above. After the value: what is over.
OVER = re.compile(
    r"\b(?:when i was|when we were|as a (?:child|kid|teenager|student|boy|girl)|back then|at the time"
    r"|until (?:last|20|19|i )|for a while back|(?:in|during) my (?:childhood|teens|twenties|youth)|used to"
    r"|for the (?:day|night|weekend|week)|in (?:a|my) (?:dream|past life|previous life)|if i|unless|or something"
    r"|just kidding|jk|not really|in the (?:game|story|novel|book|film|movie))\b",
    re.IGNORECASE,
)
TAG = re.compile(
    r"(?:,|\band\b) ?(?:right|don't i|do i|am i|aren't i|ain't i|correct|no|huh|ok(?:ay)?|isn't it|you know|what "
    r"about"
    r" you|how about you|and you|you)\s*$",
    re.IGNORECASE,
)
SENTENCE_END = re.compile(
    r"[!?…]+(?=\s|$|[\"')”’])|(?<!\bDr)(?<!\bSt)(?<!\bMr)(?<!\bMs)(?<!\bMrs)\.+(?=\s|$|[\"')”’])|\n"
)
CLAUSE_END = re.compile(r"[,;:—–]| - ")
NO_NATION = frozenset("Human Woman Man Fine Christian Fish Mini".split())
NO_NAME = frozenset("not on the here it also hard taken Is I And But So What Who".split())
NO_JOB = tuple(
    "bit,good,bad,terrible,great,big,huge,former,better,decent,mere,born,hands-on,lousy,real,first ,only ,one "
    ",same ,worst"
    ",best,horrible,natural,slow,fast,mess".split(",")
)
TRANSIENT = re.compile(
    r"\b(?:today|tonight|yet|right now|tomorrow|this morning|now|another|much more|enough|all day|that|these)\b",
    re.IGNORECASE,
)
TRANSIENT_PLAN = re.compile(
    r"\b(?:try|working|late|give it|let you|think about|keep you|check|see (?:how|what|if)"
    r"|be (?:sure|able|back|there|home|late|fine)|remember|you|tell|update|sleep|explain"
    r"|do that|do it|miss|need|have to)\b",
    re.IGNORECASE,
)
PROGRESS = re.compile(r"(?: is|'s) (?-i:[A-Z])[a-z]+ing\b")


# What points at something said before, and choices offered in a conversation.
_POINTS = re.compile(r"\b(?:these|those|this|(?:to|in|of|about|at|for|on|with|by) that)\b", re.IGNORECASE)
_OPTION = re.compile(
    r"(?:option|number|idea|version|choice|plan|suggestion|no\.)\b|#|\d|(?:makes?|is|are|was|most|about|doing"
    r"|using)\b",
    re.IGNORECASE,
)


def chosen(value: str) -> bool:
    """Whether somebody can be said to like it, rather than what was said just before."""
    words = value.lower().split()
    if not words or words[0] in LOOSE or any(w in ("your", "you", "you're", "you've", "that's", "u") for w in words):
        return False
    if _POINTS.search(value) or _OPTION.match(value):
        return False
    return words[0] != "the" or (len(words) > 1 and words[1] in _THE)


def is_workplace(value: str) -> bool:
    """Whether what follows "work at" may be a place or a trade, rather than a time or a manner."""
    first = value.lower().split()[0]
    return first not in _NO_WORKPLACE and not value.lower().startswith(("a lot", "the moment", "a time", "the weekend"))


_NO_WORKPLACE = frozenset(
    "night nights weekends home it that this these those least all once first times present progress peace silence "
    "noon midnight my general theory long hours tandem shifts pairs short bursts days most least full you them "
    "him her "
    "us everything something anything what how free fun money best well".split()
)
