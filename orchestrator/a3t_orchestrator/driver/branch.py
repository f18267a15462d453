"""`a3t run --from`: starts a run with copies of what another run did in the phases that both recipes share."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from a3t_contracts.errors import ConflictError

from ..phases import Phase
from ..recipe import Recipe
from ..store import (
    PhaseKey,
    Store,
    add_event,
    copy_phase,
    copy_round_end,
    get_run,
    has_unsettled,
    phases_of,
    rounds_of,
)

__all__ = ["has_shared", "shared_phases", "take_over"]

_FOUNDATION = (
    "environment",
    "engine",
    "options",
    "collect",
    "recorded",
    "base_model",
    "prompt",
    "seed",
    "data.split",
    "data.tasks",
    "data.types",
    "round0",
    "limits.max_steps",
    "limits.max_invalid",
    "limits.max_stale",
    "limits.max_tokens",
)
"""Keys of the recipe that must be equal for two runs to share any phase."""
_ROUND0_TRAINING = ("training.round0",)
"""Keys of the recipe that decide how round 0 trains."""


def take_over(session: Session, source: str, target: str, recipe: Recipe) -> None:
    """Copy the phases of run `source` that the recipe of run `target` would carry out in the same way. Raises
    ConflictError if there is none."""
    shared = _shared(session, source, recipe)
    if not shared:
        raise ConflictError(
            f"The run {source} has no phase that this recipe would carry out in the same way.",
            hint="Tasks, seed, base model, limits and round 0 must be the same.",
        )
    for key in shared:
        copy_phase(session, key, target)
        if key.phase is Phase.train:
            copy_round_end(session, source, target, key.round)
    last = shared[-1]
    words = f"Begins with copies of the phases of {source}, up to the phase {last.phase} of round {last.round}"
    add_event(session, target, last.round, "branched", words, source=source)


def has_shared(store: Store, source: str, recipe: Recipe) -> bool:
    """Return whether `take_over` would copy at least one phase."""
    with store.session() as session:
        return bool(_shared(session, source, recipe))


def shared_phases(source: Recipe, target: Recipe, phases: list[PhaseKey], finished: list[int]) -> list[PhaseKey]:
    """Return the phases of the source, in order, that both recipes carry out in the same way: complete rounds, and from
    the next round the phases that collect episodes."""
    ours, theirs = target.model_dump(mode="json"), source.model_dump(mode="json")

    def alike(key: PhaseKey) -> bool:
        first_training = key.round == 0 and key.phase is Phase.train
        decides = _ROUND0_TRAINING if first_training else key.phase.traits.decided_by
        return all(_at(ours, path) == _at(theirs, path) for path in decides)

    if any(_at(ours, path) != _at(theirs, path) for path in _FOUNDATION):
        return []
    shared: list[PhaseKey] = []
    for number in range(target.rounds + 1):
        members = [key for key in phases if key.round == number]
        if number in finished and all(map(alike, members)):
            shared += members
            continue
        for place, key in enumerate(members):
            complete = number in finished or place + 1 < len(members)
            if key.phase is Phase.evaluate_base and not alike(key):
                continue  # no later phase depends on it
            if not key.phase.before_training or not complete or not alike(key):
                break
            shared.append(key)
        break
    return shared


def _shared(session: Session, source: str, recipe: Recipe) -> list[PhaseKey]:
    theirs = Recipe.model_validate(get_run(session, source).recipe)
    finished = [row.round for row in rounds_of(session, source) if row.status == "finished"]
    begun = [key for key in phases_of(session, source) if not _still_played(session, key)]
    return shared_phases(theirs, recipe, begun, finished)


def _still_played(session: Session, key: PhaseKey) -> bool:
    """Return whether this is an evaluation of the base that is still being played while later phases run."""
    return key.phase is Phase.evaluate_base and has_unsettled(session, key)


def _at(values: Any, path: str) -> Any:
    for key in path.split("."):
        values = values[key]
    return values
