"""Fills a store to the size of a long project: runs, rounds, training sets, and trajectories with a household game's
texts.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from a3t_contracts.schemas import trajectory_id
from a3t_orchestrator.recipe import parse_recipe
from a3t_orchestrator.store import (
    Job,
    RunTask,
    Store,
    add_event,
    create_run,
    insert_trajectories,
    open_round,
    set_training_members,
    touch_run,
)

__all__ = ["LARGE", "ROUNDS", "fill"]

LARGE = "large-s1"
"""The run that has 70 % of the trajectories."""
ROUNDS = 5
_SMALL = [f"small-s{number}" for number in range(1, 7)]
_TYPES = ("pick_and_place", "look_at_in_light", "clean_then_place", "heat_then_place", "cool_then_place", "pick_two")
_THINGS = ("mug", "apple", "book", "plate", "tomato", "pen", "bowl", "soapbar", "candle", "laptop", "pillow", "spoon")
_PLACES = ("cabinet", "fridge", "shelf", "desk", "drawer", "countertop", "sinkbasin", "toilet", "sofa", "microwave")
_PHASES = (("rollout", "policy", 0.3), ("compose", "composed", 0.6), ("evaluate", "evaluation", 0.1))
"""Phase, kind, share of a round's episodes."""


def fill(store: Store, rows: int) -> list[str]:
    """Write the runs, and return the ids of the large run's trajectories."""
    draw = random.Random(7)
    sizes = {LARGE: rows * 7 // 10} | dict.fromkeys(_SMALL, rows * 3 // 10 // len(_SMALL))
    for name, size in sizes.items():
        with store.session() as session:
            _begin(session, name, size)
        ids = list(_episodes(store, draw, name, size))
        if name == LARGE:
            found = ids
    return found


def _begin(session: Session, name: str, size: int) -> None:
    held_out = [{"split": "valid_unseen", "tasks": 134}]
    data = {"split": "train", "tasks": max(1, size // 20), "held_out": held_out}
    recipe = parse_recipe({"name": name.rpartition("-")[0], "environment": "household", "rounds": ROUNDS, "data": data})
    create_run(session, name, recipe, "0" * 40, {})
    touch_run(session, name, status="finished", round=ROUNDS - 1, phase="evaluate")
    for number in range(ROUNDS):
        row = open_round(session, name, number)
        row.status, row.version = "finished", f"{name}-r{number:02d}"
        row.seconds = {"rollout": 600.0, "compose": 1800.0, "train": 900.0, "evaluate": 200.0}
        job = {"job_id": f"ftjob-{row.version}", "version": row.version, "status": "succeeded"}
        session.add(Job(run=name, round=number, progress={"loss": 0.5, "loss_parts": {}}, **job))
        for count in range(40):
            add_event(session, name, number, "note", f"Event {count} of round {number}.")
    session.add_all(
        RunTask(run=name, split="train", task_id=f"t{n}", role="train", task_type=_TYPES[n % 6], position=n)
        for n in range(max(1, size // 20))
    )


def _episodes(store: Store, draw: random.Random, name: str, size: int) -> Iterator[str]:
    at = datetime.now(UTC) - timedelta(days=30)
    for number in range(ROUNDS):
        members: list[tuple[str, bool]] = []
        plan = [(phase, kind, n) for phase, kind, share in _PHASES for n in range(int(size * share) // ROUNDS)]
        for start in range(0, len(plan), 500):
            made = []
            for phase, kind, index in plan[start : start + 500]:
                at += timedelta(seconds=draw.random() * 4)
                made.append(_episode(draw, name, number, phase, kind, index, size, at))
            with store.session() as session:
                insert_trajectories(session, made)
            members += [(h["id"], h["success"]) for h, _ in made if h["phase"] == "compose" and h["success"]]
            yield from (head["id"] for head, _ in made)
        with store.session() as session:
            set_training_members(session, name, number, members)


def _episode(
    draw: random.Random, name: str, number: int, phase: str, kind: str, index: int, size: int, at: datetime
) -> tuple[dict[str, Any], dict[str, Any]]:
    tasks = 134 if phase == "evaluate" else max(1, size // 20)
    task, sample = index % tasks, index // tasks
    task_id = f"{'valid' if phase == 'evaluate' else 't'}{task}"
    steps = [_step(draw, i, phase == "compose") for i in range(draw.randint(3, 8))]
    success = draw.random() < 0.4 + 0.1 * number
    sampled = [step for step in steps if step["source"] == "sampled"]
    head = {
        "id": trajectory_id(name, number, task_id, kind, sample), "run": name, "round": number, "phase": phase,
        "environment": "household", "engine": "native", "split": "valid_unseen" if phase == "evaluate" else "train",
        "task_id": task_id, "task_type": _TYPES[task % 6], "seed": index, "kind": kind, "sample": sample,
        "policy_version": f"{name}-r{max(number - 1, 0):02d}", "multiline": False, "reward": float(success),
        "success": success, "stop_reason": "success" if success else draw.choice(("max_steps", "max_invalid")),
        "annotated": True, "n_steps": len(steps), "n_sampled": len(sampled),
        "n_sampled_coin": sum(step["trigger"] == "coin" for step in sampled),
        "n_sampled_invalid": sum(step["trigger"] == "invalid" for step in sampled),
        "n_invalid": sum(not step["valid"] for step in steps), "n_made_up": int(draw.random() < 0.01),
        "prompt_tokens": 300 * len(steps), "completion_tokens": 30 * len(steps), "seconds": draw.random() * 20,
        "actions_sha256": f"{draw.getrandbits(256):064x}", "created_at": at,
    }  # fmt: skip
    last = "You put it there." if success else "Nothing happens."
    return head, {"preamble": "", "steps": steps, "final_observation": last, "details": {}}


def _step(draw: random.Random, index: int, composed: bool) -> dict[str, Any]:
    thing, other = draw.choice(_THINGS), draw.choice(_THINGS)
    place, place2 = (f"{draw.choice(_PLACES)} {draw.randint(1, 40)}" for _ in range(2))
    step: dict[str, Any] = {
        "index": index, "action": f"take {thing} 1 from {place}", "valid": draw.random() > 0.05,
        "observation": f"You arrive at {place}. On the {place}, you see a {thing} 1, a {other} 2, and a {place2}.",
        "thought": f"I need a {thing}. It may be at {place}, and the {place2} is where it must be put.",
        "seconds": {"policy": 0.4, "env": 0.01}, "prompt_tokens": 300,
    }  # fmt: skip
    if composed and draw.random() < 0.2:
        drawn = {"source": "sampled", "reason_by": "actre", "trigger": draw.choice(("coin", "coin", "invalid"))}
        return step | drawn | {"reason_annotator": "template", "policy_action": "look"}
    ids = [draw.randrange(32000) for _ in range(30)]
    text = f"Thought: {step['thought']}\nAction: {step['action']}"
    chances = [round(-draw.random(), 6) for _ in ids]
    policy = {"source": "policy", "reason_by": "policy", "completion": text, "completion_ids": ids, "logprobs": chances}
    return step | policy
