"""The HTML report: whole, self-contained, and closed to whatever the texts hold."""

from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from keepstone.evaluation.charts import chart
from keepstone.evaluation.measuring import evaluate
from keepstone.evaluation.pack import Pack, record_of
from keepstone.evaluation.report import page
from keepstone.evaluation.results import Evaluation, by_pack, summary
from tests.evaluation.dialogues import Scripted, asking, hit, raw_record

HOSTILE = '</pre></details><script>alert(1)</script><img src=x onerror="alert(2)"> & "quoted" \'too\''
VOID = {"meta", "img", "br", "link", "input"}


class Tags(HTMLParser):
    """Collects tags, attributes and text, and holds that every tag is closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile_run(name: str = "run") -> Evaluation:
    raw = raw_record(asking("animals now?", ["t3"], stale=["t1"], answer=HOSTILE), id=HOSTILE)
    raw["questions"] += [{**asking(HOSTILE, ["t2"]), "category": HOSTILE}]
    raw["sessions"][0]["turns"][1]["text"] = HOSTILE
    pack = Pack(name=HOSTILE, records=(record_of(raw),))
    answers = {"animals now?": [hit("t1"), hit("t3")], HOSTILE: [hit("t5")]}
    return evaluate(
        [pack], lambda r: Scripted(answers, {500: hit("t3").text}, trace=HOSTILE), name=name, version=HOSTILE
    )


def parsed(html: str) -> Tags:
    tags = Tags()
    tags.feed(html)
    tags.close()
    assert not tags.open
    return tags


@pytest.mark.parametrize("runs", [1, 2])
def test_hostile_texts_are_shown_and_do_nothing(runs: int) -> None:
    tags = parsed(page([hostile_run(HOSTILE) for _ in range(runs)]))
    assert not {"script", "img", "link", "iframe", "object", "base", "form"} & set(tags.names)
    assert not [name for name, _ in tags.attributes if name.startswith("on")]
    assert tags.text.count("<script>alert(1)</script>") >= 5
    assert HOSTILE in tags.text


def test_nothing_comes_from_outside() -> None:
    html = page([hostile_run(), hostile_run("other")])
    names = {name for name, _ in parsed(html).attributes}
    assert not {"src", "href", "xlink:href", "srcset", "action", "background"} & names
    for word in ("url(", "@import", "http://", "https://"):
        assert word not in html
    assert "default-src 'none'" in html


def test_it_has_the_figures_curves_and_misses() -> None:
    run = hostile_run()
    tags = parsed(page([run]))
    recall = summary(by_pack(run.rows)[HOSTILE])["R@500t"]
    assert recall.mean == 0.5
    assert f"{recall.mean:.3f}" in tags.text
    assert tags.names.count("figure") == 1
    assert tags.names.count("polyline") == 2
    assert tags.names.count("details") == len(run.misses) == 2
    assert "no current statement before the older ones" in tags.text


def test_two_runs_stand_side_by_side() -> None:
    tags = parsed(page([hostile_run("first"), hostile_run("second")]))
    assert "Differences, question by question" in tags.text
    assert "+0.000" in tags.text
    assert tags.names.count("polyline") == 4


def test_a_chart_is_well_formed_and_in_its_frame() -> None:
    html = chart("A & B", {"hits": {500: 0.0, 1000: 0.4, 4000: 1.0}, "<context>": {500: 0.2}})
    figure = ElementTree.fromstring(html)
    points = [p.attrib["points"] for p in figure.iter("polyline")]
    assert [len(p.split()) for p in points] == [3, 1]
    heights = [float(pair.split(",")[1]) for pair in points[0].split()]
    assert 210 > heights[0] > heights[1] > heights[2] > 0
    assert "<context>" in [text.strip() for text in figure.itertext()]
