"""The report of one or two evaluations as one HTML page: everything inline, nothing executed, everything escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from keepstone.evaluation.charts import Line, chart
from keepstone.evaluation.intervals import Estimate
from keepstone.evaluation.results import (
    LOWER_IS_BETTER,
    SHOWN,
    SHOWN_BY_CATEGORY,
    Evaluation,
    Miss,
    by_category,
    by_pack,
    differences,
    summary,
)
from keepstone.evaluation.scoring import BUDGETS, CONTEXT_BUDGETS

MISSES_MAX = 200
SIGNS_MAX = 600

STYLE = """
:root { --paper: #fff; --ink: #1b1f24; --dim: #59636e; --rule: #d5dae0; --c0: #0a5fb4; --c1: #b3470b; --c2: #1a7a45;
  --c3: #7a3ea8; --good: #1a7a45; --bad: #b3261e; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181d; --ink: #e6e9ed; --dim: #9aa5b1; --rule: #343b44;
  --c0: #6cb6ff; --c1: #f0a060; --c2: #6fd08c; --c3: #c79bf2; --good: #6fd08c; --bad: #ff8a80; } }
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto;
  max-width: 70rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--rule); }
h3 { margin: 1.5rem 0 .5rem; } .dim, .tick { color: var(--dim); } .wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } caption { text-align: left; color: var(--dim); }
.good { color: var(--good); } .bad { color: var(--bad); } .range { color: var(--dim); font-size: .85em; }
.charts { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; } .chart { flex: 0 1 22rem; }
.chart > svg { width: 100%; height: auto; } .grid { stroke: var(--rule); stroke-width: 1; }
.tick { fill: var(--dim); font: 11px system-ui, sans-serif; } .line { fill: none; stroke-width: 2; }
.c0 { stroke: var(--c0); } .c1 { stroke: var(--c1); } .c2 { stroke: var(--c2); } .c3 { stroke: var(--c3); }
.dot { fill: var(--paper); stroke-width: 2; } .key { width: 26px; height: 8px; margin-right: .4rem; }
.legend { list-style: none; padding: 0; margin: .2rem 0; display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
details { border-bottom: 1px solid var(--rule); padding: .4rem 0; } summary { cursor: pointer; }
dt { color: var(--dim); font-size: .85em; margin-top: .4rem; } dd { margin: 0 0 .3rem 1rem; }
pre { white-space: pre-wrap; font-size: .85em; margin: 0; } bdi { overflow-wrap: anywhere; }
@media print { body { margin: 0; max-width: none; font-size: 11px; } details, figure, tr { break-inside: avoid; }
  details::details-content { content-visibility: visible; height: auto; } .wide { overflow: visible; } }
"""


def page(evaluations: Sequence[Evaluation]) -> str:
    """Return the report of one run, or of two, the second compared with the first.

    Raises:
        InvalidRequestError: two runs have no question in common.
    """
    title = " against ".join(e.name for e in reversed(evaluations))
    parts = [f"<h1>Retrieval: {escape(title)}</h1>", *(_about(e) for e in evaluations), _curves(evaluations)]
    if len(evaluations) == 2:
        parts.append(_differences(evaluations[0], evaluations[1]))
    for evaluation in evaluations:
        parts += [_tables(evaluation), _misses(evaluation)]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # Nothing may be fetched or executed, whatever the texts hold.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>Retrieval: {escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _about(evaluation: Evaluation) -> str:
    return (
        f'<p class="dim">{escape(evaluation.name)}: {len(evaluation.rows)} questions of '
        f"{escape(', '.join(evaluation.packs))}; taken in within {evaluation.index_seconds:.1f} s; "
        f"Keepstone {escape(evaluation.version)}.</p>"
    )


def _curves(evaluations: Sequence[Evaluation]) -> str:
    """One chart a pack: recall of the hits, and of the contexts where there are any, against the budget."""
    groups = [(e, by_pack(e.rows)) for e in evaluations]
    names = dict.fromkeys(name for _, packs in groups for name in packs)
    charts = []
    for name in names:
        lines: dict[str, Line] = {}
        for evaluation, packs in groups:
            found = summary(packs.get(name, ()))
            before = f"{evaluation.name}: " if len(evaluations) > 1 else ""
            for what, letter, budgets in (("hits", "R", BUDGETS), ("context", "C", CONTEXT_BUDGETS)):
                line = {b: found[f"{letter}@{b}t"].mean for b in budgets if f"{letter}@{b}t" in found}
                if line:
                    lines[before + what] = line
        if lines:
            charts.append(chart(name, lines))
    return '<h2>Evidence found within a token budget</h2>\n<div class="charts">' + "\n".join(charts) + "</div>"


def _tables(evaluation: Evaluation) -> str:
    parts = [f"<h2>{escape(evaluation.name)}: figures</h2>"]
    for name, rows in by_pack(evaluation.rows).items():
        parts.append(f"<h3>{escape(name)}</h3>")
        parts.append(_measures(summary(rows, SHOWN), evaluation.certainty.get(name, {})))
        body = []
        for category, members in by_category(rows).items():
            found = summary(members, SHOWN_BY_CATEGORY)
            cells = (f"{found[m].mean:.3f}" if m in found else "" for m in SHOWN_BY_CATEGORY)
            body.append((escape(category), str(len(members)), *cells))
        parts.append(_table(("category", "questions", *SHOWN_BY_CATEGORY), body))
    return "\n".join(parts)


def _measures(found: Mapping[str, Estimate], certainty: Mapping[str, float]) -> str:
    body = [(m, _value(m, e.mean), _range(m, e), str(e.count)) for m, e in found.items()]
    body += [(f"{name} (AUROC)", f"{value:.3f}", "", "") for name, value in certainty.items()]
    return _table(("measure", "mean", "95 % interval", "questions"), body)


def _differences(first: Evaluation, second: Evaluation) -> str:
    parts = ["<h2>Differences, question by question</h2>"]
    for name, found in differences(first, second).items():
        body = [
            (
                d.measure,
                _value(d.measure, d.first),
                _value(d.measure, d.second),
                f'<span class="{_judged(d.measure, d.difference)}">{_signed(d.measure, d.difference.mean)}</span>',
                _range(d.measure, d.difference, signed=True),
                str(d.difference.count),
            )
            for d in found
        ]
        heading = ("measure", escape(first.name), escape(second.name), "difference", "95 % interval", "questions")
        parts += [f"<h3>{escape(name)}</h3>", _table(heading, body)]
    return "\n".join(parts)


def _misses(evaluation: Evaluation) -> str:
    shown, rest = evaluation.misses[:MISSES_MAX], len(evaluation.misses) - MISSES_MAX
    more = f'<p class="dim">{rest} more are in the JSON.</p>' if rest > 0 else ""
    heading = f"<h2>{escape(evaluation.name)}: {len(evaluation.misses)} misses</h2>"
    return "\n".join([heading, *(_miss(m) for m in shown), more])


def _miss(miss: Miss) -> str:
    trace = f"<dt>trace</dt><dd><pre>{escape(miss.trace)}</pre></dd>" if miss.trace else ""
    answer = f"<dt>answer</dt>{_texts([miss.answer])}" if miss.answer else ""
    expected = f"<dt>expected</dt>{_texts(miss.expected)}" if miss.expected else ""
    unwanted = f"<dt>not wanted</dt>{_texts(miss.unwanted)}" if miss.unwanted else ""
    where = escape(f"{miss.pack} · {miss.record} · {miss.id} · {miss.category}")
    return (
        f"<details><summary><bdi>{escape(miss.question)}</bdi> "
        f'<span class="bad">{escape("; ".join(miss.reasons))}</span></summary>'
        f'<p class="dim">{where}</p><dl>{answer}{expected}'
        f"{unwanted}<dt>found</dt>{_texts(miss.found) or '<dd>nothing</dd>'}{trace}</dl></details>"
    )


def _texts(texts: Iterable[str]) -> str:
    cut = (t if len(t) <= SIGNS_MAX else f"{t[:SIGNS_MAX]} …" for t in texts)
    return "".join(f"<dd><bdi>{escape(t)}</bdi></dd>" for t in cut)


def _table(heading: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    head = "".join(f'<th scope="col">{h}</th>' for h in heading)
    rows = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in body)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table></div>'


def _digits(measure: str) -> int:
    return 1 if measure in ("ms", "tokens") else 3


def _value(measure: str, value: float) -> str:
    return f"{value:.{_digits(measure)}f}"


def _signed(measure: str, value: float) -> str:
    return f"{value:+.{_digits(measure)}f}"


def _range(measure: str, found: Estimate, *, signed: bool = False) -> str:
    if found.low is None or found.high is None:
        return ""
    write = _signed if signed else _value
    return f'<span class="range">{write(measure, found.low)} to {write(measure, found.high)}</span>'


def _judged(measure: str, difference: Estimate) -> str:
    """Better or worse only if the whole interval says so."""
    if difference.low is None or difference.high is None or difference.low <= 0 <= difference.high:
        return ""
    better = (difference.low > 0) != (measure in LOWER_IS_BETTER)
    return "good" if better else "bad"
