"""Made-up runs for tests of what goes in and out: a demonstration, a failure and two successes composed after it at
every task, and an episode of evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from a3t_contracts.schemas import (
    EnvironmentInfo,
    ReasonBy,
    Source,
    Step,
    StopReason,
    Trajectory,
    TrajectoryKind,
    Trigger,
    trajectory_id,
)
from a3t_orchestrator.phases import Phase
from a3t_orchestrator.recipe import parse_recipe
from a3t_orchestrator.store import Store, add_trajectories, create_run, open_round, set_training_members

RUN = "lighthouse-1"
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_KINDS = {
    Phase.demonstrate: TrajectoryKind.demonstration,
    Phase.rollout: TrajectoryKind.policy,
    Phase.compose: TrajectoryKind.composed,
    Phase.evaluate: TrajectoryKind.evaluation,
}


def episode(task: int, phase: Phase, sample: int = 0, *, success: bool = True, steps: int = 3) -> Trajectory:
    """An episode whose text depends on all arguments; its last turn but one was refused, its first was sampled where it
    is composed."""
    kind = _KINDS[phase]
    number = 0 if phase is Phase.demonstrate else 1
    name = f"keep-{task}"
    made = []
    for i in range(steps):
        action = f"climb stairs {i + sample}" if success or i else f"climb stairs {i}"
        thought = f"The lamp {task} is above, on floor {i}."
        policy = kind is not TrajectoryKind.demonstration and not (phase is Phase.compose and i == 0)
        made.append(
            Step(
                index=i,
                observation=f"You are on floor {i}. Your task is to: light lamp {task}." if i == 0 else f"Floor {i}.",
                thought=thought,
                action=action if success else f"{action} down" if i else action,
                source=Source.policy if policy else Source.sampled if phase is Phase.compose else Source.expert,
                reason_by=ReasonBy.policy if policy else ReasonBy.actre,
                trigger=Trigger.coin if phase is Phase.compose and i == 0 else None,
                valid=i != steps - 2,
                completion_ids=[task % 90, i, 7] if policy else None,
                logprobs=[-0.25, -0.5, -1.0] if policy else None,
                completion=f"Thought: {thought}\nAction: {action if success or not i else f'{action} down'}\n"
                if policy
                else None,
            )
        )
    return Trajectory(
        id=trajectory_id(RUN, number, name, kind, sample),
        run=RUN,
        round=number,
        environment="lighthouse",
        split="held" if phase is Phase.evaluate else "train",
        task_id=name,
        task_type="light",
        kind=kind,
        sample=sample,
        policy_version=None if kind is TrajectoryKind.demonstration else f"{RUN}-r00",
        steps=made,
        final_observation="The lamp burns." if success else "It is dark.",
        reward=float(success),
        success=success,
        stop_reason=StopReason.success if success else StopReason.max_steps,
        created_at=_BEGIN + timedelta(seconds=task),
        seconds=1.5,
        metadata={"keeper": "Ada", "storm": task % 2 == 0},
    )


def episodes_of(tasks: int) -> Iterator[tuple[Trajectory, str]]:
    """(episode, phase): five for every task."""
    for task in range(tasks):
        yield episode(task, Phase.demonstrate), Phase.demonstrate
        yield episode(task, Phase.rollout, success=False), Phase.rollout
        yield episode(task, Phase.compose, 1), Phase.compose
        yield episode(task, Phase.compose, 2), Phase.compose
        yield episode(task, Phase.evaluate), Phase.evaluate


def store_with_run(url: str, tasks: int = 4) -> Store:
    """A database with the run; round 1 was trained on its first composed success and the failure beside it."""
    store = Store(url)
    store.upgrade()
    recipe = parse_recipe({"name": "lighthouse", "environment": "lighthouse"})
    with store.session() as session:
        told = EnvironmentInfo(
            name="lighthouse", about="A tower with a lamp.", engines=[], splits={}, task_types=[], max_steps=5
        )
        create_run(session, RUN, recipe, "abc", {"environment": told.model_dump(mode="json")})
        open_round(session, RUN, 1).version = f"{RUN}-r01"
        add_trajectories(session, episodes_of(tasks))
        if tasks:
            failure, success = episode(0, Phase.rollout, success=False), episode(0, Phase.compose, 1)
            set_training_members(session, RUN, 1, [(success.id, True), (failure.id, False)])
    return store


def multiply(store: Store, factor: int) -> None:
    """Copy every episode until there are `factor` times as many, in SQL: a hundred thousand take a few seconds."""
    heads = [c for c in _columns(store, "trajectories") if c not in ("id", "number", "sample")]
    texts = [c for c in _columns(store, "trajectory_steps") if c != "number"]
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {factor - 1})"  # noqa: S608
    with store.session() as session:
        session.execute(
            text(
                f"{numbers} INSERT INTO trajectories (number, id, sample, {', '.join(heads)}) "  # noqa: S608
                f"SELECT number + i * (SELECT max(number) FROM trajectories), printf('%08x', i) || substr(id, 9), "
                f"sample + 10 * i, {', '.join(heads)} FROM trajectories, n"
            )
        )
        session.execute(
            text(
                f"{numbers} INSERT INTO trajectory_steps (number, {', '.join(texts)}) "  # noqa: S608
                f"SELECT number + i * (SELECT max(number) FROM trajectory_steps), {', '.join(texts)} "
                "FROM trajectory_steps, n"
            )
        )


def _columns(store: Store, table: str) -> list[str]:
    with store.session() as session:
        return [row.name for row in session.execute(text(f"PRAGMA table_info({table})"))]
