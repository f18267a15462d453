"""Training a round's agent and putting it live."""

from __future__ import annotations

import asyncio
import time

from a3t_contracts.errors import DeadlineError, NotFoundError, UpstreamError
from a3t_contracts.schemas import FineTuningJob, JobStatus, version_name

from ..episodes import Gateway, ServiceAddresses, patiently
from ..store import Plan, add_event, get_job, open_round, plan_work, redo_phase, save_job, spend
from .context import RunContext
from .dispatch import complete_phase
from .training import trainer_client

__all__ = ["base_version", "publish", "train"]

_TERMINAL = (JobStatus.succeeded, JobStatus.failed, JobStatus.cancelled)


async def base_version(context: RunContext) -> str:
    """The name under which the policy service serves the base model. Raises NotFoundError where it serves another."""
    async with _gateway(context) as gateway:
        cards = await gateway.patient(gateway.policy.models)
    bases = [card.id for card in cards if card.parent is None]
    wanted = context.recipe.base_model
    if wanted in bases:
        return wanted
    raise NotFoundError(
        f"The policy service serves the base model {', '.join(bases) or 'none'}, the recipe wants {wanted}.",
        hint="Set A3T_POLICY_BASE_MODEL for the policy service, or base_model in the recipe.",
    )


async def train(context: RunContext, number: int) -> str:
    """Have the round's job made and wait for its end; the published version. Raises UpstreamError where it failed."""
    version = version_name(context.run, number)
    key = context.key(number, "train")
    with context.store.session() as session:
        plan_work(session, key, [Plan(version, "", context.recipe.data.split, "training", 0, None)])
        last = get_job(session, context.run, number)
        if last is not None and last.status in (JobStatus.failed, JobStatus.cancelled):
            redo_phase(session, key)  # a resumed run asks the trainer for another attempt
    await complete_phase(context, key)
    started = time.monotonic()
    job = await _until_done(context, number)
    with context.store.session() as session:
        spend(session, context.run, number, "train", time.monotonic() - started)
    if job.status is not JobStatus.succeeded:
        reason = (job.error or {}).get("detail", "no reason given")
        raise UpstreamError(f"The fine-tuning job {job.id} of round {number} {job.status.value}: {reason}")
    return job.fine_tuned_model or version


async def publish(context: RunContext, number: int, version: str) -> None:
    """Have the policy service load the version and serve it by default."""
    started = time.monotonic()
    async with _gateway(context) as gateway:
        await gateway.ensure_loaded(version, make_default=True)
    with context.store.session() as session:
        row = open_round(session, context.run, number)
        if row.version != version:
            row.version = version
            add_event(session, context.run, number, "published", f"{version} is live", version=version)
        spend(session, context.run, number, "publish", time.monotonic() - started)


async def _until_done(context: RunContext, number: int) -> FineTuningJob:
    with context.store.session() as session:
        row = get_job(session, context.run, number)
    if row is None or row.job_id is None:
        raise UpstreamError(f"Round {number} has no fine-tuning job.", hint="The worker's log tells why.")
    job_id, limits = row.job_id, context.recipe.limits
    until = time.monotonic() + limits.training_seconds
    async with trainer_client(context.settings) as trainer:
        while True:
            job = await patiently(lambda: trainer.job(job_id), limits.outage_seconds)
            with context.store.session() as session:
                save_job(session, context.run, number, job)
            context.listener.job(number, job)
            if job.status in _TERMINAL:
                return job
            if time.monotonic() > until:
                await trainer.cancel(job_id)
                raise DeadlineError(f"The job {job_id} took more than limits.training_seconds; it is cancelled.")
            await asyncio.sleep(max(0.5, context.poll_seconds))


def _gateway(context: RunContext) -> Gateway:
    return Gateway(ServiceAddresses.of(context.settings), context.recipe.limits)
