"""Trains the agent of a round and makes its adapter version live."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from sqlalchemy.orm import Session

from a3t_contracts.errors import A3TError, DeadlineError, DiskFullError, NotFoundError, UpstreamError
from a3t_contracts.schemas import FineTuningJob, JobStatus, LoadAdapter, version_name
from a3t_contracts.tracing import untraced

from ..gateway import Gateway, ServiceAddresses, patiently
from ..phases import Phase
from ..recipe import Recipe
from ..settings import OrchestratorSettings
from ..store import Job, add_event, get_job, get_run, open_round, save_job, spend, touch_run
from .context import RunContext
from .dispatch import phase_span
from .record import training_state
from .training import start_training, trainer_client

__all__ = ["base_version", "cancel_training", "go_live", "require_base", "train"]

_ROOM_SECONDS = 5.0
"""Seconds before a job that failed on a full disk is tried again."""


async def base_version(context: RunContext) -> str:
    """Name of the base model at the policy service. Raises NotFoundError if the service has another base."""
    return await require_base(context.settings, context.recipe)


async def require_base(settings: OrchestratorSettings, recipe: Recipe, patience: float | None = None) -> str:
    """Name of the recipe's base model at the policy service. Raises NotFoundError if the service has another base.

    Args:
        patience: seconds to wait for a policy service that does not answer; None takes `limits.outage_seconds`.
    """
    async with Gateway(ServiceAddresses.of(settings), recipe.limits) as gateway:
        seconds = recipe.limits.outage_seconds if patience is None else patience
        cards = await patiently(gateway.policy.models, seconds)
    bases = [card.id for card in cards if card.parent is None]
    wanted = recipe.base_model
    if wanted in bases:
        return wanted
    raise NotFoundError(
        f"The policy service serves the base model {', '.join(bases) or 'none'}, but the recipe needs {wanted}.",
        hint="Set A3T_POLICY_BASE_MODEL for the policy service, or base_model in the recipe.",
    )


async def train(context: RunContext, number: int, *, again: bool = False) -> str:
    """Let the trainer train the round's adapter, and return its version. Raises UpstreamError if the job failed.

    Where the trainer's disk is full, the job is tried again for up to `limits.outage_seconds`. `again`: ask the trainer
    although it has trained the version; it trains it again if the version's files are damaged.
    """
    with phase_span(context.key(number, Phase.train)):
        return await _train(context, number, again)


async def _train(context: RunContext, number: int, again: bool) -> str:
    run, started = context.run, time.monotonic()

    def begin(session: Session) -> Job | None:
        touch_run(session, run, phase=Phase.train, round=number)
        return get_job(session, run, number)

    row = await context.store.do(begin)
    ended_badly = row is not None and JobStatus(row.status).unsuccessful
    if row is None or row.job_id is None or ended_badly or again:  # a resumed run asks the trainer for another attempt
        job_id = (await start_training(context, number)).id
    else:
        job_id = row.job_id
    job = await _until_done(context, number, job_id)
    until = time.monotonic() + context.recipe.limits.outage_seconds
    while _lacked_room(job) and time.monotonic() < until:
        await context.tell(number, "disk_full", f"{(job.error or {}).get('detail')} The job is tried again.")
        await asyncio.sleep(_ROOM_SECONDS)
        job = await _until_done(context, number, (await start_training(context, number)).id)
    seconds = time.monotonic() - started

    def note(session: Session) -> None:
        spend(session, run, number, Phase.train, seconds)
        told = training_state(job).model_dump(mode="json")
        words = f"The fine-tuning job of {job.request.version} {job.status.value}"
        level = "info" if job.status is JobStatus.succeeded else "error"
        add_event(session, run, number, "job_finished", words, level, **told)

    await context.store.do(note)
    if job.status is not JobStatus.succeeded:
        reason = (job.error or {}).get("detail", "no reason given")
        raise UpstreamError(
            f"The fine-tuning job {job.id} of round {number} {job.status.value}: {reason}.",
            hint="Remove the cause, then `a3t run CONFIG --resume` tries again.",
        )
    return job.fine_tuned_model or version_name(run, number)


def _lacked_room(job: FineTuningJob) -> bool:
    kind = str((job.error or {}).get("type"))
    return job.status is JobStatus.failed and kind.endswith(f":{DiskFullError.slug}")


async def go_live(context: RunContext, number: int, version: str) -> None:
    """Make the version live: the policy service loads it, the trainer moves the registry's live pointer, and the policy
    service reads the pointer.

    Other replicas of the policy service follow the pointer by themselves. Requests of the run always name the version.
    """
    started, limits = time.monotonic(), context.recipe.limits
    with phase_span(context.key(number, Phase.go_live)):
        async with _gateway(context) as gateway, trainer_client(context.settings, limits.call_seconds) as trainer:
            await gateway.patient(lambda: gateway.policy.load(LoadAdapter(lora_name=version)))
            await patiently(lambda: trainer.promote(version), limits.outage_seconds)
            await gateway.patient(gateway.policy.follow)

    def note(session: Session) -> None:
        row = open_round(session, context.run, number)
        if row.version != version:
            row.version = version
            add_event(session, context.run, number, "published", f"{version} is live", version=version)
        spend(session, context.run, number, Phase.go_live, time.monotonic() - started)

    await context.store.do(note)


async def _until_done(context: RunContext, number: int, job_id: str) -> FineTuningJob:
    """Wait until the job has ended, and return it. If the trainer lost the job's records, the training set is uploaded
    again."""
    limits, given_again = context.recipe.limits, False
    until = time.monotonic() + limits.training_seconds
    async with trainer_client(context.settings, limits.call_seconds) as trainer:
        while True:
            try:
                with untraced():
                    job = await patiently(partial(trainer.job, job_id), limits.outage_seconds)
            except NotFoundError:
                if given_again:
                    raise
                given_again = True
                words = f"The trainer has lost the job {job_id}; the training set is uploaded again."
                await context.tell(number, "job_lost", words)
                job = await start_training(context, number)
                job_id = job.id
            await context.store.do(partial(save_job, run=context.run, number=number, job=job))
            context.listener.job(number, job)
            if job.status.ended:
                return job
            if time.monotonic() > until:
                await trainer.cancel(job_id)
                raise DeadlineError(
                    f"The job {job_id} took longer than limits.training_seconds and was cancelled.",
                    hint="Raise limits.training_seconds, then `a3t run CONFIG --resume`.",
                )
            await asyncio.sleep(max(0.5, context.poll_seconds))


async def cancel_training(context: RunContext) -> None:
    """Cancel the fine-tuning job that the run waits for, if there is one. If the trainer does not answer soon, an event
    says that the job was not cancelled."""

    def running(session: Session) -> Job | None:
        row = get_job(session, context.run, get_run(session, context.run).round)
        return row if row is not None and row.job_id and not JobStatus(row.status).ended else None

    row = await context.store.do(running)
    if row is None or not row.job_id:
        return
    job_id, number, limits = row.job_id, row.round, context.recipe.limits
    try:
        async with trainer_client(context.settings, limits.call_seconds) as trainer:
            job = await patiently(partial(trainer.cancel, job_id), min(limits.outage_seconds, 30.0))
    except A3TError as error:
        await context.tell(number, "job_not_cancelled", f"The fine-tuning job {job_id} was not cancelled: {error}")
        return
    await context.store.do(partial(save_job, run=context.run, number=number, job=job))


def _gateway(context: RunContext) -> Gateway:
    return Gateway(ServiceAddresses.of(context.settings), context.recipe.limits)
