"""Fills a store as a few runs would: episodes with steps, training sets, jobs, lost episodes, events. Deterministic.

The texts of one episode try to be HTML and scripts; a page must show them as text.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from a3t_contracts.schemas import ReasonBy, Source, Step, StopReason, Trajectory, TrajectoryKind, Trigger, trajectory_id
from a3t_orchestrator.phases import Phase
from a3t_orchestrator.recipe import parse_recipe
from a3t_orchestrator.store import (
    Event,
    Job,
    PhaseKey,
    Plan,
    Round,
    Store,
    WorkItem,
    add_trajectories,
    create_run,
    open_round,
    plan_work,
    set_training_members,
    touch_run,
)

__all__ = ["BUSY", "DONE", "FAILED", "NASTY", "RIVAL", "fill_store"]

DONE, RIVAL, BUSY, FAILED = "household-s1", "household-s2", "household-now", "shop-broken"
"""Names of the runs: two that have finished, one under way, one that has failed."""
NASTY = '<script>window.owned=1</script><img src=x onerror="window.owned=1">"\'</td></div>'
"""What a model or a game might write."""
TYPES = ("pick_and_place", "look_at_in_light", "clean_then_place", "heat_then_place", "cool_then_place", "pick_two")
_OBJECTS = ("mug", "apple", "book", "plate", "tomato", "pen", "bowl")
_PLACES = ("cabinet 1", "fridge 1", "shelf 2", "desk 1", "drawer 3", "countertop 2", "sinkbasin 1")
_BEGUN = datetime.now(UTC) - timedelta(days=1)
_ENVIRONMENT = {
    "name": "household",
    "engines": ["native"],
    "splits": {"train": 60, "valid_seen": 24, "valid_unseen": 24},
    "task_types": list(TYPES),
    "max_steps": 30,
    "published": {
        "test_set": "unseen tasks, Mistral-7B",
        "single": [60.0, 80.0, 88.0, 92.0],
        "accumulated": [60.0, 85.0, 94.0, 97.0],
        "training_set": [[600, 0], [900, 200], [1200, 380], [1400, 450]],
        "others": {"another agent": 71.0},
    },
}


def fill_store(store: Store) -> None:
    """Write the runs; the store's schema must be there."""
    with store.session() as session:
        _Run(session, DONE, seed=1).play_rounds(4).finish()
        _Run(session, RIVAL, seed=2, gain=-0.08).play_rounds(4).finish()
        _Run(session, BUSY, seed=3).play_rounds(2).stay_busy()
        _Run(session, FAILED, seed=4, begun=_BEGUN - timedelta(hours=5)).fail()


class _Run:
    def __init__(self, session: Session, name: str, seed: int, gain: float = 0.0, begun: datetime = _BEGUN) -> None:
        self.session, self.name, self.gain = session, name, gain
        self.draw = random.Random(seed)
        self.at = begun + timedelta(hours=seed)
        recipe = parse_recipe(
            {
                "name": name.rpartition("-")[0],
                "environment": "household",
                "base_model": "a3t/tiny",
                "seed": seed,
                "rounds": 3,
                "data": {"split": "train", "tasks": 40, "held_out": [{"split": "valid_unseen", "tasks": 24}]},
            }
        )
        run = create_run(session, name, recipe, "4c1f6d2", {"environment": _ENVIRONMENT})
        run.created_at = self.at
        self.members: list[tuple[str, bool]] = []
        self.played: list[tuple[Trajectory, str]] = []
        self.tell(0, "started", "40 training tasks, 24 held out")

    def play_rounds(self, count: int) -> _Run:
        for number in range(count):
            self._play_round(number)
        return self

    def finish(self) -> None:
        touch_run(self.session, self.name, status="finished", round=3, phase="", finished_at=self.at)
        self.tell(3, "finished", "The run has finished.")

    def stay_busy(self) -> None:
        """In the composing of round 2: a part is done, one episode was given up."""
        open_round(self.session, self.name, 2).seconds = {"rollout": 95.0, "compose": 41.5}
        self.own_trials(2)
        key = PhaseKey(self.name, 2, Phase.compose)
        plans = [self._plan(task, "composed", sample, 2) for task in range(12) for sample in range(4)]
        plan_work(self.session, key, plans)
        ids = [trajectory_id(self.name, 2, p.task_id, p.kind, p.sample) for p in plans]
        for index, item in enumerate(ids[:20]):
            self._save(
                2, "compose", TrajectoryKind.composed, index // 4, "train", index % 2 == 0, sample=index % 4, item=item
            )
        done = update(WorkItem).where(WorkItem.id.in_(ids[:20]))
        self.session.execute(done.values(state="done"))
        running = update(WorkItem).where(WorkItem.id.in_(ids[20:28]))
        self.session.execute(running.values(state="running", worker="worker-1@host", attempts=1))
        lost = update(WorkItem).where(WorkItem.id == ids[-1])
        self.session.execute(
            lost.values(state="lost", attempts=5, error=f"env: 502 the game crashed: {NASTY}", updated_at=self.at)
        )
        self._store()
        self.tell(2, "dead_letter", f"compose: the episode of a task is given up: {NASTY}", "warn")
        touch_run(self.session, self.name, status="running", round=2, phase="compose")

    def fail(self) -> None:
        open_round(self.session, self.name, 0)
        error = "More than 5 % of the phase's episodes were given up (7 of 40)."
        touch_run(self.session, self.name, status="failed", phase="demonstrate", error=error)
        self.tell(0, "failed", error, "error")

    def tell(self, number: int, kind: str, message: str, level: str = "info") -> None:
        self.at += timedelta(seconds=7)
        self.session.add(
            Event(run=self.name, round=number, kind=kind, message=message, level=level, at=self.at, data={})
        )

    def own_trials(self, number: int) -> list[int]:
        """Each training task once; the tasks that failed."""
        failed = []
        for task in range(40):
            won = self.wins(task, "train", self._skill(number - 1))
            self._save(number, "rollout", TrajectoryKind.policy, task, "train", won)
            failed += [] if won else [task]
        return failed

    def wins(self, task: int, split: str, skill: float) -> bool:
        """Some tasks are hard for every agent."""
        hard = random.Random(f"{split} {task}").random()
        return 0.8 * hard + 0.2 * self.draw.random() < skill

    def _skill(self, number: int) -> float:
        return (0.3, 0.52, 0.68, 0.8, 0.85)[max(number + 1, 0)] + self.gain

    def _play_round(self, number: int) -> None:
        row = open_round(self.session, self.name, number)
        row.started_at = self.at
        if number == 0:
            for task in range(20):
                self._keep(self._save(0, "demonstrate", TrajectoryKind.demonstration, task, "train", True), True)
        else:
            self._explore(number)
        self._store()
        set_training_members(self.session, self.name, number, dict(self.members).items())
        self._train(row)
        for split in ("valid_seen", "valid_unseen"):
            for task in range(24):
                won = self.wins(task, split, self._skill(number) - (0.06 if split == "valid_unseen" else 0))
                self._save(number, "evaluate", TrajectoryKind.evaluation, task, split, won)
        row.status, row.finished_at = "finished", self.at
        self._store()
        self.tell(number, "round_finished", f"Round {number} is finished.")

    def _explore(self, number: int) -> None:
        for task in self.own_trials(number):
            own = trajectory_id(self.name, number, self._task(task, "train"), "policy", 0)
            for sample in range(3):
                won = self.draw.random() < 0.45
                kept = self._save(number, "compose", TrajectoryKind.composed, task, "train", won, sample=sample)
                if won:
                    self._keep(kept, True)
                    self._keep(own, False)

    def _keep(self, name: str, success: bool) -> None:
        self.members.append((name, success))

    def _train(self, row: Round) -> None:
        version = f"{self.name}-r{row.round:02d}"
        loss = 1.6 - 0.3 * row.round
        row.version = version
        row.seconds = {
            "rollout": 60.0 + 9 * row.round,
            "compose": 120.0 + 31 * row.round,
            "train": 210.0 + 25 * row.round,
            "publish": 1.4,
            "evaluate": 48.0,
        }
        self.session.add(
            Job(
                run=self.name,
                round=row.round,
                job_id=f"ftjob-{version}",
                version=version,
                status="succeeded",
                progress={"step": 90, "total_steps": 90, "epoch": 6.0, "loss": loss, "loss_parts": {"success": loss}},
            )
        )
        self.tell(row.round, "published", f"{version} is live")

    def _store(self) -> None:
        add_trajectories(self.session, self.played)
        self.played = []

    def _task(self, task: int, split: str) -> str:
        return f"{TYPES[task % len(TYPES)]}-{_OBJECTS[task % len(_OBJECTS)]}-{split}-{task:03d}"

    def _plan(self, task: int, kind: str, sample: int, number: int) -> Plan:
        version = f"{self.name}-r{number - 1:02d}"
        return Plan(self._task(task, "train"), TYPES[task % len(TYPES)], "train", kind, sample, version)

    def _save(
        self,
        number: int,
        phase: str,
        kind: TrajectoryKind,
        task: int,
        split: str,
        won: bool,
        *,
        sample: int = 0,
        item: str = "",
    ) -> str:
        self.at += timedelta(seconds=2)
        task_id = self._task(task, split)
        name = item or trajectory_id(self.name, number, task_id, kind.value, sample)
        nasty = self.name == BUSY and kind is TrajectoryKind.composed and task == 0
        steps = list(self._steps(kind, won, _OBJECTS[task % len(_OBJECTS)], nasty))
        version = None if kind is TrajectoryKind.demonstration else f"{self.name}-r{max(number - 1, 0):02d}"
        trajectory = Trajectory(
            id=name,
            run=self.name,
            round=number,
            environment="household",
            split=split,
            task_id=task_id,
            task_type=TYPES[task % len(TYPES)],
            kind=kind,
            sample=sample,
            policy_version=version,
            steps=steps,
            final_observation="You put it there." if won else "Nothing happens.",
            reward=float(won),
            success=won,
            stop_reason=StopReason.success if won else StopReason.max_steps,
            created_at=self.at,
            seconds=0.4 * len(steps),
        )
        self.played.append((trajectory, phase))
        return name

    def _steps(self, kind: TrajectoryKind, won: bool, thing: str, nasty: bool) -> Iterator[Step]:
        length = self.draw.randint(5, 9) if won else self.draw.randint(10, 16)
        for index in range(length):
            place = self.draw.choice(_PLACES)
            sampled = kind is TrajectoryKind.composed and index > 0 and self.draw.random() < 0.25
            values: dict[str, Any] = {"source": Source.policy, "reason_by": ReasonBy.policy}
            if kind is TrajectoryKind.demonstration:
                values = {"source": Source.expert, "reason_by": ReasonBy.actre, "reason_annotator": "template"}
            if sampled:
                values = {
                    "source": Source.sampled,
                    "reason_by": ReasonBy.actre,
                    "reason_annotator": "template",
                    "trigger": self.draw.choice([Trigger.coin, Trigger.coin, Trigger.invalid]),
                    "policy_action": "look",
                }
            observation = f"You arrive at {place}. On the {place}, you see a {thing} 1."
            if index == 0:
                observation = f"You are in a room with a {place}. Your task is to: put a {thing} in the {_PLACES[0]}."
            yield Step(
                index=index,
                observation=NASTY if nasty else observation,
                thought=NASTY if nasty else f"A {thing} may be at {place}; I look there next.",
                action=NASTY if nasty else f"go to {place}",
                valid=sampled or self.draw.random() > 0.08,
                prompt_tokens=180 + 40 * index,
                completion_ids=None,
                **values,
            )
