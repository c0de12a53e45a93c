"""The dictionaries: the same keys and places in every language, each used, and all that pages ask for is there."""

import re
from collections.abc import Iterator
from pathlib import Path

from keepstone.logic.profile import SECTIONS as PROFILE_SECTIONS
from keepstone.logic.ranking import SIGNALS
from keepstone.server import ui
from keepstone.server.ui.navigation import SECTIONS
from keepstone.server.ui.wording import LANGUAGES, wording_for
from keepstone.traces import Stage
from keepstone.types import Action, Kind

FOLDER = Path(ui.__file__).parent
PLACES = re.compile(r"{(\w+)}")


def sources() -> Iterator[str]:
    yield from (p.read_text("utf-8") for p in FOLDER.glob("templates/*.html"))
    yield from (p.read_text("utf-8") for p in FOLDER.glob("*.py"))


def asked_for() -> tuple[set[str], set[str]]:
    """Keys that stand in full in templates or code, and beginnings of those that are put together."""
    text = "\n".join(sources())
    beginnings = set(re.findall(r"""["']([\w]+\.(?:\w+_)?)["'] ~""", text)) | set(re.findall(r'f"(\w+\.)\{', text))
    return set(re.findall(r"""["']([a-z_]+(?:\.[\w ]+)?)["']""", text)), beginnings


def test_all_languages_have_the_same_keys_and_places() -> None:
    first, *others = (w.words for w in LANGUAGES)
    for other in others:
        assert set(first) == set(other)
        assert all(set(PLACES.findall(first[key])) == set(PLACES.findall(other[key])) for key in first)
    assert all(word.strip() for w in LANGUAGES for word in w.words.values())


def test_no_key_is_unused() -> None:
    full, beginnings = asked_for()
    unused = {k for k in LANGUAGES[0].words if k not in full and not k.startswith(tuple(beginnings))}
    assert not unused


def test_every_key_that_is_asked_for_is_there() -> None:
    text = "\n".join(sources())
    keys = set(re.findall(r"""\bt\(["']([\w. ]+)["'][,)]""", text))
    assert keys - set(LANGUAGES[0].words) == set()
    assert len(keys) > 50


def test_every_value_of_the_library_has_words() -> None:
    words = LANGUAGES[0].words
    wanted = [f"kind.{k}" for k in Kind] + [f"action.{a}" for a in Action] + [f"stage.{s}" for s in Stage]
    wanted += [f"signal.{s}" for s in SIGNALS] + [f"section.{s}" for s in PROFILE_SECTIONS]
    wanted += [f"nav.{s.name}" for s in SECTIONS]
    assert set(wanted) - set(words) == set()


def test_chinese_is_written_in_chinese() -> None:
    same = {k for k, w in LANGUAGES[1].words.items() if w == LANGUAGES[0].words[k]}
    assert same <= {"title"}
    narrow = re.compile(r"[\u4e00-\u9fff][,;:?()]|[,;:?()][\u4e00-\u9fff]")
    assert not [w for w in LANGUAGES[1].words.values() if narrow.search(w)]


def test_the_language_that_is_liked_best_is_chosen() -> None:
    assert wording_for(None, "de, zh-TW;q=0.4, en;q=0.5").tag == "en"
    assert wording_for(None, "zh").tag == "zh"
    assert wording_for(None, "en;q=0, zh;q=0.1").tag == "zh"
    assert wording_for("zh", "en").tag == "zh"
    assert wording_for("xx", None).tag == "en"
    assert wording_for(None, "en;q=x,;;,").tag == "en"
