"""What commands print: tables for people, JSON for programs, notes and progress on stderr."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from keepstone.control import ApiKey, Tenant
from keepstone.drafts import Reextraction
from keepstone.memory import Progress as Report
from keepstone.naming import Entity
from keepstone.results import Distillation, FactChange, JobStatus, Receipt, Usage
from keepstone.types import Action, Change, Hit, MemoryRecord, plain

CLIP = 400
DONE = {
    Action.ADD: "Added",
    Action.UPDATE: "Updated",
    Action.SUPERSEDE: "Superseded",
    Action.DELETE: "Retired",
}
# What the history tells of where a change came from.
ORIGINS = ("model", "prompt", "strategy")

# A stored text must not be able to steer the terminal that shows it.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SPACE = re.compile(r"\s+")


def show_json(value: Any) -> None:
    """Write *value* as one JSON document to stdout."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    sys.stdout.write(json.dumps(plain(value), ensure_ascii=not unicode, indent=2) + "\n")
    sys.stdout.flush()


def line(text: str) -> None:
    """Write one line of text to stdout."""
    _stdout().print(Text(_clean(text)), soft_wrap=True)


def note(text: str, style: str = "") -> None:
    """Write one line to stderr."""
    Console(stderr=True, highlight=False).print(Text(_clean(text), style=style), soft_wrap=True)


def hits(found: Sequence[Hit]) -> None:
    """Show the hits of a search with their passages, best first."""
    if not found:
        note("Nothing found.")
        return
    table = _table("score", "text")
    for hit in found:
        cell = Text(one_line(hit.passage))
        cell.append(f"\n{about(hit.memory)}", style="dim")
        for signal in hit.explanation.signals if hit.explanation else ():
            place = f" (rank {signal.rank})" if signal.rank is not None else ""
            cell.append(f"\n{signal.name} {signal.value:.3f} → {signal.contribution:.3f}{place}", style="cyan")
        table.add_row(f"{hit.score:.2f}", cell)
    _stdout().print(table)


def records(found: Iterable[MemoryRecord]) -> None:
    """Show memories, one below the other."""
    table = _table("text")
    for record in found:
        cell = Text(one_line(record.text))
        cell.append(f"\n{about(record)}", style="dim")
        table.add_row(cell)
    if table.row_count:
        _stdout().print(table)
    else:
        note("No memories.")


def changes(found: Iterable[Change]) -> None:
    """Show entries of the history, oldest first."""
    table = _table("when", "what", "text")
    for change in found:
        cell = Text()
        if change.old_text is not None and change.old_text != change.new_text:
            cell.append(one_line(change.old_text), style="strike dim")
            cell.append("\n" if change.new_text is not None else "")
        cell.append(one_line(change.new_text or ""))
        reason = f" · {one_line(change.reason)}" if change.reason else ""
        cell.append(f"\n{change.id} · by {one_line(change.actor)}{reason}", style="dim")
        origin = [f"{k} {one_line(str(change.details[k]))}" for k in ORIGINS if k in change.details]
        if origin:
            cell.append(f"\n{' · '.join((*origin, f'batch {change.batch_id}'))}", style="dim")
        table.add_row(moment(change.at), change.action.value, cell)
    _stdout().print(table)


def distilled(made: Distillation) -> None:
    """Show what a model made of messages, one line a change; what it cost and what is left to do go to stderr."""
    for change in made.changes:
        line(_changed(change))
    for refused in made.refused:
        line(f"Refused, {refused.reason}: {one_line(refused.text)} ({one_line(refused.detail)})")
    for id in made.review:
        line(f"Look at it again, what it rests on has changed: {id}")
    if made.status == "pending":
        why = f" ({one_line(made.reason)})" if made.reason else ""
        note(f"The model is not done with it{why}: keepstone flush")
    elif made.status == "failed":
        note(f"Something is left over, {one_line(made.reason or 'it failed')}: keepstone jobs", style="yellow")
    elif made.status == "skipped":
        note(f"No model was asked: {made.reason}.")
    if made.receipts:
        note(cost(made.receipts))
    for id in made.batch_ids:
        note(f"To take it all back: keepstone undo {id}")


def reextraction(drafted: Reextraction) -> None:
    """Show what deriving again came to, one line a memory; what it cost and what went wrong go to stderr."""
    for record in drafted.added:
        line(f"+ {one_line(record.text)}")
    for record in drafted.dropped:
        line(f"- {one_line(record.text)} ({record.id})")
    line(f"{len(drafted.kept)} kept, {len(drafted.added)} new, {len(drafted.dropped)} would go.")
    for refused in drafted.refused:
        note(f"Refused, {refused.reason}: {one_line(refused.text)} ({one_line(refused.detail)})")
    for failure in drafted.failures:
        note(f"Not all was read: {one_line(failure)}", style="yellow")
    if drafted.stopped is not None:
        note(f"Not all was read: {drafted.stopped}.", style="yellow")
    if drafted.receipts:
        note(cost(drafted.receipts))


def cost(receipts: Sequence[Receipt]) -> str:
    """Return what calls of chat models cost, in one line."""
    models = ", ".join(dict.fromkeys(r.model for r in receipts))
    prices = [r.price_usd for r in receipts if r.price_usd is not None]
    price = f"${sum(prices):.6f}" if len(prices) == len(receipts) else "at no known price"
    calls = "1 call" if len(receipts) == 1 else f"{len(receipts)} calls"
    about = "about " if any(r.estimated for r in receipts) else ""
    return (
        f"{calls} of {models}: {about}{sum(r.input_tokens for r in receipts):,} tokens in, "
        f"{sum(r.output_tokens for r in receipts):,} out, {price}, {sum(r.milliseconds for r in receipts):,.0f} ms."
    )


def jobs(found: Sequence[JobStatus]) -> None:
    """Show the jobs of a queue, oldest first."""
    if not found:
        note("No jobs.")
        return
    table = _table("when", "what", "job")
    for job in found:
        scope = " ".join(f"{k.removesuffix('_id')}={v}" for k, v in job.scope.to_dict().items() if k != "tenant" and v)
        due = f"due {moment(job.due_at)}" if job.state == "waiting" and job.due_at is not None else ""
        tried = f"tried {job.attempts} times" if job.attempts > 1 else ""
        cell = Text(" · ".join(one_line(p) for p in (job.id, job.kind, scope, tried, due) if p))
        if job.error:
            cell.append(f"\n{one_line(job.error)}", style="red" if job.state == "dead" else "yellow")
        table.add_row(moment(job.created_at), job.state, cell)
    _stdout().print(table)


def usage(found: Usage) -> None:
    """Show what the calls of chat models cost together, and how many went to which model."""
    pairs({**found.to_dict(), "models": None, "price_usd": f"{found.price_usd:.6f}"})
    for name, calls in found.models.items():
        line(f"{calls:>7,}  {name}")


def _changed(change: FactChange) -> str:
    done, text = DONE.get(change.action, change.action.value), one_line(change.text)
    if change.action is Action.UPDATE and change.old_text is None:
        done = "Said again"
    elif change.action is Action.UPDATE:
        text = f"{one_line(change.old_text or '')} → {text}"
    by = f" by {change.related_id}" if change.action is Action.SUPERSEDE and change.related_id else ""
    return f"{done}{by}: {text} ({change.memory_id})"


def pairs(found: Mapping[str, Any]) -> None:
    """Show names with their values; those without a value are left out."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in found.items():
        if value is not None and value != {} and value != []:
            text = value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)
            table.add_row(name.replace("_", " "), Text(_clean(text)))
    _stdout().print(table)


def entities(found: Sequence[Entity]) -> None:
    """Show entities: their names, how many memories mention them, and what was merged into them."""
    if not found:
        note("No memory mentions anybody or anything.")
        return
    table = _table("memories", "name")
    for entity in found:
        names = ", ".join(map(one_line, entity.aliases))
        cell = Text(one_line(entity.name) + (f" ({names})" if names else ""))
        cell.append(f"\n{entity.kind} · {entity.id}", style="dim")
        for merged in entity.merged:
            why = f": {one_line(merged.reason)}" if merged.reason else ""
            said = f"\n{one_line(merged.name)} merged by {merged.actor}, {moment(merged.at)}{why} · {merged.id}"
            cell.append(said, style="dim")
        table.add_row(str(entity.memories), cell)
    _stdout().print(table)


def verdicts(found: Iterable[tuple[bool, str, str, str]]) -> None:
    """Show checks: whether each passed, its name, what was seen, and what to do."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for ok, name, detail, advice in found:
        cell = Text(_clean(detail))
        if advice:
            cell.append(f"\n→ {_clean(advice)}", style="yellow")
        mark = Text("ok", style="green") if ok else Text("WRONG", style="bold red")
        table.add_row(mark, Text(name, style="bold"), cell)
    _stdout().print(table)


def keys(found: Sequence[ApiKey], at: datetime) -> None:
    """Show keys without their secrets: what each may do, and whether it still works at *at*."""
    table = _table("role", "name")
    for key in found:
        cell = Text(one_line(f"{key.name} ({key.prefix}…)"), style="" if key.is_valid(at) else "strike dim")
        pins = " ".join(f"{k.removesuffix('_id')}={v}" for k, v in key.pin.to_dict().items() if k != "tenant" and v)
        times = {"until": key.expires_at, "revoked": key.revoked_at, "used": key.last_used_at}
        parts = (pins, *(f"{name} {moment(when)}" for name, when in times.items() if when is not None), key.id)
        cell.append(f"\n{' · '.join(one_line(p) for p in parts if p)}", style="dim")
        table.add_row(key.role.value, cell)
    if table.row_count:
        _stdout().print(table)
    else:
        note("No keys.")


def tenants(found: Sequence[Tenant]) -> None:
    """Show tenants."""
    table = _table("tenant", "name", "since")
    for tenant in found:
        table.add_row(one_line(tenant.id) or "(runs the server)", one_line(tenant.name), moment(tenant.created_at))
    _stdout().print(table)


def settings(found: Iterable[tuple[str, Any, str]]) -> None:
    """Show settings: the name, the value, and where it comes from."""
    table = _table("setting", "value", "from")
    for name, value, source in found:
        said = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        table.add_row(name, Text(_clean(said)), Text(_clean(source), style="dim" if source == "default" else ""))
    _stdout().print(table)


@contextmanager
def progress(what: str) -> Iterator[Report | None]:
    """Show a bar on stderr, moved by what this yields; None where stderr is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)

        def move(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total or None)

        yield move


def about(record: MemoryRecord) -> str:
    """Return who said a memory, when, in which scope, under which id, and its status if it is not current."""
    who = record.name or record.role
    scope = " ".join(f"{k.removesuffix('_id')}={v}" for k, v in record.scope.to_dict().items() if k != "tenant" and v)
    status = None if record.status.value == "current" else record.status.value
    parts = (who, moment(record.occurred_at or record.created_at), scope, status, record.id)
    return " · ".join(one_line(p) for p in parts if p)


def moment(at: datetime) -> str:
    """Return a time to the minute, in the zone that it came with."""
    return at.strftime("%Y-%m-%d %H:%M")


def one_line(text: str) -> str:
    """Return *text* in one line, cut after some 400 characters; `get` shows all of it."""
    joined = _SPACE.sub(" ", _clean(text)).strip()
    return joined if len(joined) <= CLIP else f"{joined[:CLIP]} …"


def _clean(text: str) -> str:
    return _CONTROL.sub("\ufffd", text)


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading in ("score", "when", "what"))
    return table


def _stdout() -> Console:
    return Console(highlight=False)
