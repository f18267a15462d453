"""Uploads a round's training set and starts its fine-tuning job."""

from __future__ import annotations

from functools import partial

from sqlalchemy.orm import Session

from a3t_contracts.clients import TrainerClient
from a3t_contracts.errors import InvalidInputError
from a3t_contracts.schemas import FineTuningJob, FineTuningJobCreate, version_name

from ..gateway import patiently
from ..recipe import Recipe
from ..settings import OrchestratorSettings
from ..store import (
    add_event,
    collected,
    iter_trajectories,
    open_round,
    save_job,
    set_training_members,
)
from .context import RunContext
from .pairing import Candidate, TrainingSet, select_training_set

__all__ = ["NothingToTrainError", "job_request", "start_training", "trainer_client", "training_set"]


class NothingToTrainError(InvalidInputError):
    """There is nothing to train on, because no episode has succeeded so far."""


def trainer_client(settings: OrchestratorSettings, timeout: float) -> TrainerClient:
    """Make a client of the trainer service, whose calls take at most `timeout` seconds. Raises InvalidInputError if
    A3T_TRAINER_URL is not set."""
    if not settings.trainer_url:
        raise InvalidInputError(
            "A3T_TRAINER_URL is not set.", hint="Set every A3T_*_URL, or start all services with `a3t up`."
        )
    return TrainerClient(settings.trainer_url, settings.token.get_secret_value(), timeout=timeout)


def training_set(session: Session, run: str, number: int, recipe: Recipe) -> TrainingSet:
    """Select the training set of round `number` from all episodes collected so far: filtered and paired."""
    candidates = [
        Candidate(
            id=row.id,
            round=row.round,
            phase=row.phase,
            task_id=row.task_id,
            sample=row.sample,
            success=row.success,
            actions=row.actions_sha256,
            steps=row.n_steps,
        )
        for row in collected(session, run, number, recipe.data.split)
    ]
    return select_training_set(candidates, recipe.pairing, recipe.seed + number)


def job_request(
    recipe: Recipe, run: str, number: int, file_id: str, chosen: TrainingSet, parent: str | None
) -> FineTuningJobCreate:
    """Make the request for the fine-tuning job of a round. Round 0 trains with the settings `training.round0`."""
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
        trackers=recipe.trackers,
        metadata={"successes": len(chosen.successes), "failures": len(chosen.failures), "dropped": chosen.dropped},
    )


async def start_training(context: RunContext, number: int) -> FineTuningJob:
    """Select the training set, upload it and create the job. All three are stored in the database. Returns the job.

    Safe to repeat: the trainer identifies a job by its request, so that the same set and version give the same job. If
    the trainer cannot be reached, the call is repeated for up to `limits.outage_seconds`. Raises NothingToTrainError if
    no episode succeeded.
    """
    run, recipe = context.run, context.recipe
    chosen, content = await context.store.do(partial(_prepare, run=run, number=number, recipe=recipe))
    before = None
    if number > recipe.first_round:
        before = await context.store.do(lambda session: open_round(session, run, number - 1).version)
        before = None if before == recipe.base_model else before

    async def create() -> FineTuningJob:
        async with trainer_client(context.settings, recipe.limits.call_seconds) as trainer:
            file = await trainer.upload(content, f"{version_name(run, number)}.jsonl")
            return await trainer.create_job(job_request(recipe, run, number, file.id, chosen, before))

    job = await patiently(create, recipe.limits.outage_seconds)
    await context.store.do(partial(_note, run=run, number=number, chosen=chosen, job=job))
    return job


def _prepare(session: Session, run: str, number: int, recipe: Recipe) -> tuple[TrainingSet, bytes]:
    chosen = training_set(session, run, number, recipe)
    if not chosen.successes:
        raise NothingToTrainError(
            f"Round {number} of {run} has no success to train on.",
            hint="Give round 0 more demonstrations, or compose more episodes.",
        )
    ids = [i for i, _ in chosen.members]
    lines = [t.model_dump_json(exclude_none=True) for t in iter_trajectories(session, ids)]
    return chosen, ("\n".join(lines) + "\n").encode()


def _note(session: Session, run: str, number: int, chosen: TrainingSet, job: FineTuningJob) -> None:
    save_job(session, run, number, job)
    set_training_members(session, run, number, chosen.members)
    add_event(
        session,
        run,
        number,
        "training_set",
        f"{len(chosen.successes)} successes and {len(chosen.failures)} failures to train on",
        successes=len(chosen.successes),
        failures=len(chosen.failures),
        dropped=chosen.dropped,
    )
