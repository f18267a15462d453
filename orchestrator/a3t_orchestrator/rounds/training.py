"""A round's training set and fine-tuning job."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sqlalchemy import select

from a3t_contracts.clients import TrainerClient
from a3t_contracts.errors import A3TError, InvalidInputError
from a3t_contracts.schemas import FineTuningJob, FineTuningJobCreate, trajectory_id, version_name

from ..recipe import Recipe
from ..settings import OrchestratorSettings
from ..store import (
    PhaseKey,
    Store,
    TrajectoryRow,
    add_event,
    claim,
    finish,
    get_run,
    iter_trajectories,
    open_round,
    return_failed,
    save_job,
    set_training_members,
)
from .pairing import Candidate, TrainingSet, select_training_set

__all__ = ["job_request", "start_training", "trainer_client", "training_set"]


def trainer_client(settings: OrchestratorSettings, timeout: float = 120.0) -> TrainerClient:
    """Raises InvalidInputError where no trainer is named."""
    if not settings.trainer_url:
        raise InvalidInputError("A3T_TRAINER_URL is not set.", hint="Set every A3T_*_URL, or let `a3t up` start all.")
    return TrainerClient(settings.trainer_url, settings.token.get_secret_value(), timeout=timeout)


def training_set(store: Store, run: str, number: int, recipe: Recipe) -> TrainingSet:
    """What round `number` trains on: everything collected so far, filtered and paired."""
    columns = (
        TrajectoryRow.id,
        TrajectoryRow.round,
        TrajectoryRow.phase,
        TrajectoryRow.task_id,
        TrajectoryRow.sample,
        TrajectoryRow.success,
        TrajectoryRow.actions_sha256,
        TrajectoryRow.n_steps,
    )
    query = select(*columns).where(
        TrajectoryRow.run == run,
        TrajectoryRow.round <= number,
        TrajectoryRow.split == recipe.data.split,
        TrajectoryRow.n_steps > 0,
    )
    with store.session() as session:
        candidates = [Candidate(*row) for row in session.execute(query)]
    return select_training_set(candidates, recipe.pairing, recipe.seed + number)


def job_request(
    recipe: Recipe, run: str, number: int, file_id: str, chosen: TrainingSet, parent: str | None
) -> FineTuningJobCreate:
    """The fine-tuning job of a round. Round 0 trains as `training.round0` says."""
    part = recipe.training.round0 if number == 0 else recipe.training
    return FineTuningJobCreate(
        model=recipe.base_model,
        training_file=file_id,
        version=version_name(run, number),
        run=run,
        round=number,
        parent=parent if recipe.training.start == "continue" else None,
        objective=part.objective,
        lora=part.lora,
        optimisation=part.optimisation,
        augmentation=part.augmentation,
        seed=recipe.seed + number,
        metadata={"successes": len(chosen.successes), "failures": len(chosen.failures), "dropped": chosen.dropped},
    )


@dataclass(frozen=True, slots=True)
class _Prepared:
    chosen: TrainingSet
    content: bytes


async def start_training(store: Store, settings: OrchestratorSettings, run: str, number: int) -> None:
    """Select the set, upload it, create the job, note all three. Safe to repeat: the same version is one job."""
    key = PhaseKey(run, number, "train")
    with store.session() as session:
        recipe = Recipe.model_validate(get_run(session, run).recipe)
        item_id = _item_id(key)
        items = claim(session, [item_id], f"training/{run}", settings.lease_seconds, recipe.limits.deliveries)
        before = open_round(session, run, number - 1).version if number > recipe.first_round else None
    if not items:
        return
    try:
        prepared = await asyncio.to_thread(_prepare, store, run, number, recipe)
        job = await _create(settings, recipe, run, number, prepared, before)
    except A3TError as error:
        with store.session() as session:
            return_failed(session, item_id, str(error), recipe.limits.deliveries)
        return
    with store.session() as session:
        save_job(session, run, number, job)
        set_training_members(session, run, number, prepared.chosen.members)
        finish(session, item_id)
        add_event(
            session,
            run,
            number,
            "training_set",
            f"{len(prepared.chosen.successes)} successes and {len(prepared.chosen.failures)} failures to train on",
            successes=len(prepared.chosen.successes),
            failures=len(prepared.chosen.failures),
            dropped=prepared.chosen.dropped,
        )


def _item_id(key: PhaseKey) -> str:
    return trajectory_id(key.run, key.round, version_name(key.run, key.round), "training", 0)


def _prepare(store: Store, run: str, number: int, recipe: Recipe) -> _Prepared:
    chosen = training_set(store, run, number, recipe)
    if not chosen.successes:
        raise InvalidInputError(
            f"Round {number} of {run} has no success to train on.",
            hint="Give round 0 more demonstrations, or compose more episodes.",
        )
    ids = [i for i, _ in chosen.members]
    with store.session() as session:
        lines = [t.model_dump_json(exclude_none=True) for t in iter_trajectories(session, ids)]
    return _Prepared(chosen, ("\n".join(lines) + "\n").encode())


async def _create(
    settings: OrchestratorSettings, recipe: Recipe, run: str, number: int, prepared: _Prepared, before: str | None
) -> FineTuningJob:
    async with trainer_client(settings) as trainer:
        file = await trainer.upload(prepared.content, f"{version_name(run, number)}.jsonl")
        return await trainer.create_job(job_request(recipe, run, number, file.id, prepared.chosen, before))
