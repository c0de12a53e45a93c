"""Undoing: from the history of a memory to the operations that take some of its changes back.

A memory's history is folded into its states; the inverse of a change is the step back to the state before it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from keepstone.errors import ConflictError
from keepstone.operations import Operation, Restore, Retire, Revert, Supersede
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
            operations.extend((change.sequence, o) for o in _inverse(change, _before(change, history, states), states))
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
        if isinstance(operation, Retire | Restore | Revert | Supersede) and operation.memory_id not in seen:
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
    return steps, [c for c in live if not _is_refresh(c)]


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


def _is_refresh(change: Change) -> bool:
    return change.action is Action.UPDATE and change.old_revision == change.new_revision


def _states(history: Sequence[Change]) -> dict[str, _State]:
    """The state of the memory after each change."""
    states: dict[str, _State] = {}
    now = _State(None, None)
    for change in history:
        status: Status | None = {
            Action.ADD: Status.CURRENT,
            Action.UPDATE: now.status,
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


def _inverse(change: Change, before: _State, states: Mapping[str, _State]) -> list[Operation]:
    after = states[change.id]
    memory, id = change.memory_id, change.id
    if before.status is None:
        return [Retire(memory_id=memory, inverse_of=id)]
    if before.revision != after.revision and before.revision is not None:
        return [Revert(memory_id=memory, revision=before.revision, inverse_of=id)]
    if before.status == after.status:
        return []
    if before.status is Status.RETIRED:
        return [Retire(memory_id=memory, inverse_of=id)]
    if after.status is Status.CURRENT:
        return [Supersede(memory_id=memory, by=change.related_id, inverse_of=id)]
    return [Restore(memory_id=memory, status=before.status, inverse_of=id)]
