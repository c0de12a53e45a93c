"""Undoing: from the history of a memory to the operations that take some of its changes back.

A memory's history is folded into its states; the inverse of a change is the step back to the state before it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from keepstone.errors import ConflictError
from keepstone.logic import details
from keepstone.operations import Disjoin, Feedback, Join, Operation, Restore, Retire, Revert, Supersede
from keepstone.types import Action, Change, Status


@dataclass(frozen=True, slots=True)
class _State:
    status: Status | None
    revision: int | None


def plan(targets: Sequence[Change], histories: Mapping[str, Sequence[Change]], *, cascade: bool) -> list[Operation]:
    """Return the operations that undo *targets*, latest first.

    *histories* holds the whole history of every memory that a target belongs to. Later changes of the same memory
    depend on a target unless they cancel out; with *cascade* they are undone too.

    Raises:
        ConflictError: a target was undone already, was an erase, or later changes depend on it (`blocking`).
    """
    wanted = {c.id for c in targets}
    operations: list[tuple[int, Operation]] = []
    blocking: list[str] = []
    for memory_id in dict.fromkeys(c.memory_id for c in targets):
        history = histories[memory_id]
        steps, depends = _steps(history, wanted)
        blocking.extend(c.id for c in depends)
        states = _states(history)
        live = steps if not cascade else sorted([*steps, *depends], key=lambda c: c.sequence)
        for change in reversed(live):
            operations.extend((change.sequence, o) for o in _inverse(change, history, states))
    if blocking and not cascade:
        raise ConflictError(
            f"{len(blocking)} later changes depend on this one; undo them first, or all with cascade=True.",
            blocking=blocking,
        )
    return _guarded([o for _, o in sorted(operations, key=lambda e: -e[0])], histories)


def _guarded(operations: Sequence[Operation], histories: Mapping[str, Sequence[Change]]) -> list[Operation]:
    """Let the first operation on each memory expect the revision that its history ends with.

    A change made after the history was read would otherwise be undone unseen.
    """
    guarded: list[Operation] = []
    seen: set[str] = set()
    for operation in operations:
        if (
            isinstance(operation, Retire | Restore | Revert | Supersede | Join | Disjoin)
            and operation.memory_id not in seen
        ):
            history = histories[operation.memory_id]
            seen.add(operation.memory_id)
            operation = replace(operation, expected_revision=_states(history)[history[-1].id].revision)
        guarded.append(operation)
    return guarded


def _steps(history: Sequence[Change], wanted: Collection[str]) -> tuple[list[Change], list[Change]]:
    """The targets in *history*, and the later changes that depend on the first of them."""
    undone = _undone(history)
    steps = [c for c in history if c.id in wanted]
    for change in steps:
        if change.action is Action.ERASE:
            raise ConflictError("An erase cannot be undone: nothing is left of what it removed.")
        if change.id in undone:
            raise ConflictError("This change was undone already.", blocking=(undone[change.id],))
    first = steps[0].sequence
    live = [c for c in history if c.sequence > first and c.id not in wanted and not _cancelled(c, undone)]
    erased = [c for c in live if c.action is Action.ERASE]
    if erased:
        raise ConflictError("The memory was erased; nothing is left to bring back.", blocking=[erased[0].id])
    return steps, [c for c in live if _depends(c, steps)]


def _undone(history: Sequence[Change]) -> dict[str, str]:
    """Changes that are undone now, and by what: an undone undo leaves its target in force again."""
    undone: dict[str, str] = {}
    for change in history:
        if change.inverse_of is not None:
            undone[change.inverse_of] = change.id
            undone = {k: v for k, v in undone.items() if v != change.inverse_of}
    return undone


def _cancelled(change: Change, undone: Mapping[str, str]) -> bool:
    return change.id in undone or change.id in undone.values()


def _depends(change: Change, steps: Sequence[Change]) -> bool:
    """Whether a later change stands on one of *steps*.

    What was said again, joined or judged meanwhile stands by itself; and of the others, only one that takes the memory
    back is in the way of undoing such a step.
    """
    if _leaves_state(change):
        return False
    gone = change.action in (Action.DELETE, Action.EXPIRE)
    return gone or any(not _leaves_state(c) and c.sequence < change.sequence for c in steps)


def _leaves_state(change: Change) -> bool:
    is_refresh = change.action is Action.UPDATE and change.old_revision == change.new_revision
    return is_refresh or change.action is Action.FEEDBACK


def _states(history: Sequence[Change]) -> dict[str, _State]:
    """The state of the memory after each change."""
    states: dict[str, _State] = {}
    now = _State(None, None)
    for change in history:
        status: Status | None = {
            Action.ADD: Status.CURRENT,
            Action.UPDATE: now.status,
            Action.FEEDBACK: now.status,
            Action.SUPERSEDE: Status.SUPERSEDED,
            Action.DELETE: Status.RETIRED,
            Action.EXPIRE: Status.RETIRED,
            Action.ERASE: Status.ERASED,
            Action.RESTORE: _restored(change, states, history),
        }[change.action]
        revision = change.new_revision if change.new_revision is not None else now.revision
        now = states[change.id] = _State(status, revision)
    return states


def _restored(change: Change, states: Mapping[str, _State], history: Sequence[Change]) -> Status:
    """What a RESTORE brought back: the status before the change that it undid, else current."""
    undid = next((c for c in history if c.id == change.inverse_of), None)
    if undid is None:
        return Status.CURRENT
    before = _before(undid, history, states)
    return before.status or Status.CURRENT


def _before(change: Change, history: Sequence[Change], states: Mapping[str, _State]) -> _State:
    earlier = [c for c in history if c.sequence < change.sequence]
    return states[earlier[-1].id] if earlier else _State(None, None)


def _inverse(change: Change, history: Sequence[Change], states: Mapping[str, _State]) -> list[Operation]:
    before, after = _before(change, history, states), states[change.id]
    memory, id = change.memory_id, change.id
    if before.status is None:
        return [Retire(memory_id=memory, inverse_of=id, keeps_sources=True)]
    if before.revision != after.revision and before.revision is not None:
        return [Revert(memory_id=memory, revision=before.revision, inverse_of=id)]
    if _leaves_state(change):
        return _inverse_beside(change)
    if before.status is Status.RETIRED and after.status is not Status.RETIRED:
        return [Retire(memory_id=memory, inverse_of=id)]
    if before.status is Status.SUPERSEDED and after.status is not Status.RETIRED:
        return _superseded_again(change, history)
    if after.status is Status.SUPERSEDED:
        ceased, began = details.validity(change.details)[0], change.details.get(details.BEGAN)
        by = change.related_id if began else None
        return [Restore(memory_id=memory, status=before.status, valid_to=ceased, began=by, inverse_of=id)]
    if before.status == after.status:
        return []
    return [Restore(memory_id=memory, status=before.status, keeps_validity=True, inverse_of=id)]


def _inverse_beside(change: Change) -> list[Operation]:
    """The inverse of a change that left text and status as they were: feedback, and sources that came or went."""
    memory, id = change.memory_id, change.id
    if change.action is Action.FEEDBACK:
        before, after = change.details.get(details.STRENGTH, (0.0, 0.0))
        return [Feedback(memory_id=memory, value=before - after, inverse_of=id)]
    if joined := change.details.get(details.JOINED):
        return [Disjoin(memory_id=memory, message_ids=tuple(joined), inverse_of=id)]
    if taken := details.sources(change.details):
        return [Join(memory_id=memory, sources=taken, inverse_of=id)]
    return []


def _superseded_again(change: Change, history: Sequence[Change]) -> list[Operation]:
    """The memory as it was superseded before *change*: by the same other one, since the same moment."""
    last = next((c for c in reversed(history) if c.sequence < change.sequence and c.action is Action.SUPERSEDE), None)
    by, since = (None, None) if last is None else (last.related_id, details.validity(last.details)[1])
    return [Supersede(memory_id=change.memory_id, by=by, at=since, inverse_of=change.id)]
