"""Imports episodes (`a3t import`): stores the episodes of a file as a run, from which other runs take their
demonstrations."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy.orm import Session

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.schemas import RunStatus, Trajectory, TrajectoryKind, trajectory_id

from ..phases import Phase
from ..recipe import Recipe
from ..store import Store, add_event, add_trajectories, create_run, touch_run, utc_now
from .columns import Row, restored
from .draft import Defaults, with_outcome
from .format import Format
from .formats import format_named, format_of
from .names import Names
from .sources import Found, read_records
from .unfold import unfolded

__all__ = ["ImportOrder", "Imported", "episode_of", "import_file"]

_NAMED = 20
"""Number of unreadable records that are named; further ones are only counted."""
_CHUNK = 100
_PHASES = {
    TrajectoryKind.demonstration: Phase.demonstrate,
    TrajectoryKind.composed: Phase.compose,
    TrajectoryKind.hindsight: Phase.hindsight,
    TrajectoryKind.evaluation: Phase.evaluate,
}


@dataclass(frozen=True, slots=True)
class ImportOrder:
    """What is imported, and how.

    Args:
        run: name of the run that the episodes are stored as.
        format: name of the format; None recognises that of each record.
        environment: environment of records that do not name one.
        split: split of records that do not name one.
        chosen: whether the better episode of a pair is imported; otherwise pairs are refused.
        names: task ids by the task names in the records; other names are kept as they are.
        skip_broken: whether records that cannot be read are left out; otherwise nothing is imported if there is one.
        dry_run: whether records are only read and counted, and nothing is stored.
    """

    run: str
    format: str | None = None
    environment: str | None = None
    split: str = "train"
    chosen: bool = False
    names: Names | None = None
    skip_broken: bool = False
    dry_run: bool = False


@dataclass(slots=True)
class Imported:
    """The result of an import."""

    run: str
    file: str
    episodes: int = 0
    successes: int = 0
    without_reasons: int = 0
    """Number of episodes in which at least one action has no reason."""
    repeated: int = 0
    """Number of records that repeat an earlier record exactly."""
    named: int = 0
    """Number of episodes whose task was found in a table of names."""
    broken: int = 0
    problems: list[str] = field(default_factory=list)
    formats: dict[str, int] = field(default_factory=dict)
    environments: dict[str, int] = field(default_factory=dict)


def import_file(
    store: Store, path: Path, order: ImportOrder, advance: Callable[[int], None] = lambda _: None
) -> Imported:
    """Store the episodes of a file or folder in one transaction: all of them, or none.

    Raises InvalidInputError that names the records that cannot be read, unless they are skipped, and for a file without
    any episode; ConflictError if there is a run of this name.
    """
    done = Imported(order.run, str(path))
    form = format_named(order.format) if order.format else None
    with store.session() as session:
        _begin(session, order)
        taken = _Taken(order.run)
        chunk: list[tuple[Trajectory, str]] = []
        for trajectory in _episodes(path, order, form, done, advance):
            placed = taken.place(trajectory)
            if placed is None:
                done.repeated += 1
                continue
            chunk.append((placed, _phase(placed)))
            _count(done, placed)
            if len(chunk) == _CHUNK:
                _add(session, chunk)
        _add(session, chunk)
        _refuse(path, done, order)
        _end(session, order, done)
        if order.dry_run:
            session.rollback()
    return done


def episode_of(
    row: Row, defaults: Defaults, form: Format | None = None, *, chosen: bool = False
) -> tuple[Trajectory, str]:
    """Return the episode of a record and the name of its format. Raises InvalidInputError that says what is wrong.

    Args:
        chosen: whether the better episode of a pair is returned; otherwise pairs are refused.
    """
    form = form or format_of(row)
    read = form.read or (form.read_chosen if chosen else None)
    if read is None:
        raise InvalidInputError(
            f"the format {form.name} holds pairs of a better and a worse episode",
            hint="--chosen imports the better ones, as demonstrations.",
        )
    try:
        told = {name: restored(value, form.columns.get(name, "string")) for name, value in row.items()}
        return read(with_outcome(told)).finish(defaults), form.name
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidInputError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise InvalidInputError(f"it is not a record of the format {form.name}: {error!r}") from error
    except RecursionError as error:
        raise InvalidInputError("nested too deeply") from error


class _Taken:
    """Gives imported episodes ids that are unique in their run. Episodes of one task get different sample numbers."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._contents: set[bytes] = set()
        self._ids: set[str] = set()
        self._samples: dict[tuple[int, str, str], int] = {}

    def place(self, trajectory: Trajectory) -> Trajectory | None:
        """Return the episode with an id in this run: its own id if it was made in a run of this name, else a new one.
        Returns None for an exact repetition of an earlier episode."""
        content = hashlib.sha256(trajectory.model_dump_json(exclude={"created_at"}).encode()).digest()
        if content in self._contents:
            return None
        self._contents.add(content)
        one = trajectory if trajectory.task_id else trajectory.model_copy(update={"task_id": _unnamed(trajectory)})
        if one.run == self._run and one.id and one.id not in self._ids and len(one.id) <= 24:
            self._ids.add(one.id)
            return one
        key = (one.round, one.task_id, one.kind)
        sample = max(one.sample, self._samples.get(key, 0))
        while (name := trajectory_id(self._run, one.round, one.task_id, one.kind, sample)) in self._ids:
            sample += 1
        self._ids.add(name)
        self._samples[key] = sample + 1
        return one.model_copy(update={"id": name, "run": self._run, "sample": sample})


def _unnamed(trajectory: Trajectory) -> str:
    """Return a task name for an episode without one. It is equal for equal first observations, because these contain
    the task."""
    return f"unnamed-{hashlib.sha256(trajectory.steps[0].observation.encode()).hexdigest()[:12]}"


def _episodes(
    path: Path, order: ImportOrder, form: Format | None, done: Imported, advance: Callable[[int], None]
) -> Iterator[Trajectory]:
    defaults = Defaults(run=order.run, environment=order.environment, split=order.split)
    for found in (one for record in read_records(path) for one in (unfolded(record) if form is None else [record])):
        advance(1)
        try:
            if found.value is None:
                raise InvalidInputError(found.problem or "unreadable")
            trajectory, name = episode_of(found.value, defaults, form, chosen=order.chosen)
        except InvalidInputError as error:
            _note(done, found, error)
            continue
        done.formats[name] = done.formats.get(name, 0) + 1
        task = order.names.task_of(trajectory.task_id, trajectory.environment) if order.names else None
        done.named += task is not None
        yield trajectory if task is None else trajectory.model_copy(update={"task_id": task})


def _note(done: Imported, found: Found, error: InvalidInputError) -> None:
    done.broken += 1
    if len(done.problems) < _NAMED:
        known = not error.hint or any(problem.endswith(error.hint) for problem in done.problems)
        hint = "" if known else f". {error.hint}"
        done.problems.append(f"{found.where}: {error.detail.removesuffix('.')}{hint}")


def _begin(session: Session, order: ImportOrder) -> None:
    """Create the run. Its environment is set at the end, from the episodes."""
    environment = order.environment or "unknown"
    recipe = Recipe.model_validate({"name": order.run, "environment": environment, "round0": {"mode": "none"}})
    create_run(session, order.run, recipe, "", {})


def _end(session: Session, order: ImportOrder, done: Imported) -> None:
    environment = max(done.environments, key=lambda name: done.environments[name])
    recipe = Recipe.model_validate({"name": order.run, "environment": environment, "round0": {"mode": "none"}})
    touch_run(
        session,
        order.run,
        environment=environment,
        recipe=recipe.model_dump(mode="json"),
        status=RunStatus.finished,
        finished_at=utc_now(),
        details={"imported": {name: value for name, value in asdict(done).items() if name != "problems"}},
    )
    words = f"{done.episodes} episodes of {Path(done.file).name}"
    add_event(session, order.run, 0, "imported", words, broken=done.broken, repeated=done.repeated)


def _add(session: Session, chunk: list[tuple[Trajectory, str]]) -> None:
    open_ones = [pair for pair in chunk if _lacks_reasons(pair[0])]
    whole = [pair for pair in chunk if not _lacks_reasons(pair[0])]
    if not open_ones or not whole:
        add_trajectories(session, chunk, annotated=not open_ones)
    else:
        for pair in chunk:  # one by one, so that their order is kept
            add_trajectories(session, [pair], annotated=not _lacks_reasons(pair[0]))
    chunk.clear()


def _lacks_reasons(trajectory: Trajectory) -> bool:
    return any(step.thought is None for step in trajectory.steps)


def _phase(trajectory: Trajectory) -> str:
    if trajectory.kind is TrajectoryKind.policy:
        return Phase.rollout if trajectory.round else Phase.few_shot
    return _PHASES[trajectory.kind]


def _count(done: Imported, trajectory: Trajectory) -> None:
    done.episodes += 1
    done.successes += trajectory.success
    done.without_reasons += _lacks_reasons(trajectory)
    name = sys.intern(trajectory.environment)
    done.environments[name] = done.environments.get(name, 0) + 1


def _refuse(path: Path, done: Imported, order: ImportOrder) -> None:
    told = "; ".join(done.problems)
    more = f"; and {done.broken - len(done.problems)} more" if done.broken > len(done.problems) else ""
    if done.broken and not order.skip_broken:
        raise InvalidInputError(
            f"{path}: {done.broken} records cannot be read, so nothing is imported: {told}{more}",
            hint="--skip-broken leaves them out.",
        )
    if not done.episodes:
        raise InvalidInputError(f"{path} has no episode that can be read{f': {told}{more}' if told else ''}.")
