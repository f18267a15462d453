"""Runs a fine-tuning job from its training file to its published adapter version."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from a3t_contracts.adapter_config import read_adapter_config
from a3t_contracts.base_model import resolve_base_model
from a3t_contracts.errors import InvalidInputError
from a3t_contracts.registry import RegistryReader, base_fingerprint
from a3t_contracts.schemas import FineTuningJobCreate, ObjectiveName
from a3t_contracts.schemas.adapter import AdapterManifest

from ..encoding.data import TrainingData, read_trajectories
from ..encoding.name_permutation import NamePermutation
from ..encoding.plan import StepPlan, build_units, pair_units
from ..encoding.selection import check_labels, select
from ..encoding.sequences import TokenSequence, encode_all
from ..registry.publish import Draft, publish, published_by
from .averaging import average, averaging_gap, scale_update, snapshot_path, snapshot_steps
from .checkpoint import latest_checkpoint, load_trainable, trainable_tensors
from .model import check_parent, load_base, load_tokenizer, with_adapter
from .reference import reference_logprobs
from .trainer import Reporter, StepDataset, TrajectoryTrainer

__all__ = ["Inspect", "JobSpec", "run_job"]

Inspect = Callable[[TrajectoryTrainer], None]
"""Called with the trainer after training."""

_LARGEST_WEIGHT = 1e6


@dataclass(frozen=True, slots=True)
class JobSpec:
    """Description of a job for its child process."""

    id: str
    request: FineTuningJobCreate
    training_file: Path
    folder: Path
    """Folder of checkpoints, snapshots and TensorBoard logs."""
    registry: str
    trackers: tuple[str, ...] = ()
    """Trackers in addition to TensorBoard: wandb, mlflow."""
    report_seconds: float = 1.0
    """Smallest number of seconds between two reports of progress."""


def run_job(spec: JobSpec, reporter: Reporter, inspect: Inspect | None = None) -> AdapterManifest:
    """Train and publish. A job that was interrupted continues from its last checkpoint.

    Args:
        spec: the job.
        reporter: gets messages and progress.
        inspect: called with the trainer and its final weights, before they are published.

    Raises an A3TError that says why the job cannot be done. Repeating a published job returns its manifest.
    """
    done = published_by(spec.registry, spec.request.version, spec.id)
    if done is not None:
        return done
    request = spec.request
    if request.optimisation.threads:
        torch.set_num_threads(request.optimisation.threads)
    spec.folder.mkdir(parents=True, exist_ok=True)
    data = read_trajectories(spec.training_file)
    for warning in data.warnings:
        reporter.message(warning, "warn")
    sequences = _encode(request, data, reporter)
    plan = _plan(request, sequences)
    model = _model(spec)
    trainer = _trainer(spec, model, plan, reporter)
    _announce(reporter, sequences, plan, data)
    _train(trainer, spec, reporter)
    metrics = _finish(trainer, spec, reporter)
    if inspect is not None:
        inspect(trainer)
    if trainer.is_world_process_zero():
        return publish(spec.registry, _draft(spec, model, data, sequences, metrics))
    raise SystemExit(0)


def _encode(request: FineTuningJobCreate, data: TrainingData, reporter: Reporter) -> list[TokenSequence]:
    chosen = select(data.trajectories, request.objective)
    tokenizer = load_tokenizer(request.model)
    if request.objective.name == ObjectiveName.label_prefix:
        check_labels(tokenizer)
    sequences = encode_all(tokenizer, chosen, request.objective, request.optimisation.max_length)
    if not sequences:
        raise InvalidInputError(
            f"Nothing to train on: every turn of the {len(chosen)} trajectories has weight 0.",
            hint="Turns with made-up observations are never imitated; see also invalid_weight, repeat_weight and "
            "purposeless_weight.",
        )
    left_out = len(chosen) - len({s.id for s in sequences})
    if left_out:
        reporter.message(f"{left_out} trajectories are left out, because all their turns have weight 0.", "warn")
    return sequences


def _plan(request: FineTuningJobCreate, sequences: list[TokenSequence]) -> StepPlan:
    paired = request.objective.name == ObjectiveName.dpo
    units = pair_units(sequences) if paired else build_units(sequences)
    return StepPlan.of(units, request.optimisation, request.seed)


def _model(spec: JobSpec) -> Any:
    request, parent = spec.request, None
    if request.parent is not None:
        reader = RegistryReader(spec.registry, spec.folder / "parent")
        parent, manifest = reader.fetch(request.parent)
        check_parent(request, manifest, read_adapter_config(parent))
    precision = request.optimisation.matmul_precision
    return with_adapter(load_base(request), request.lora, parent, request.seed, precision)


def _trainer(spec: JobSpec, model: Any, plan: StepPlan, reporter: Reporter) -> TrajectoryTrainer:
    request = spec.request
    reference = None
    if request.objective.name == ObjectiveName.dpo:
        reference = reference_logprobs(model, plan.units, request.optimisation, spec.folder / "reference.json")
    permutation = None
    if request.augmentation.interchangeable:
        permutation = NamePermutation(load_tokenizer(request.model), request.augmentation, request.seed)
    dataset = StepDataset(plan, request.objective, request.optimisation, 0, reference, permutation)
    args = _arguments(spec, plan.total_steps)
    return TrajectoryTrainer(
        model,
        args,
        dataset,
        request.objective,
        reporter,
        average=request.optimisation.average_checkpoints,
        report_seconds=spec.report_seconds,
    )


def _arguments(spec: JobSpec, total_steps: int) -> TrainingArguments:
    request, optimisation = spec.request, spec.request.optimisation
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(spec.folder / "tensorboard")
    cuda = torch.cuda.is_available()
    half = cuda and (request.lora.dtype == "bfloat16" or request.lora.quantisation == "nf4")
    return TrainingArguments(
        output_dir=str(spec.folder),
        run_name=request.version,
        max_steps=total_steps,
        per_device_train_batch_size=1,
        learning_rate=optimisation.learning_rate,
        lr_scheduler_type=optimisation.schedule,
        warmup_steps=math.ceil(optimisation.warmup_ratio * total_steps),
        weight_decay=optimisation.weight_decay,
        max_grad_norm=optimisation.max_grad_norm,
        optim=_optimizer(optimisation.optimizer),
        logging_steps=max(1, total_steps // 200),
        logging_nan_inf_filter=False,
        save_steps=optimisation.save_steps,
        save_strategy="steps",
        seed=request.seed,
        bf16=half,
        use_cpu=not cuda,
        dataloader_pin_memory=cuda,
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to=["tensorboard", *spec.trackers],
    )


def _optimizer(name: str) -> str:
    """The name of the optimiser. Paging needs a GPU; without one, AdamW runs unpaged."""
    return "adamw_torch" if name == "paged_adamw_32bit" and not torch.cuda.is_available() else name


def _announce(reporter: Reporter, sequences: list[TokenSequence], plan: StepPlan, data: TrainingData) -> None:
    tokens = sum(map(len, sequences))
    trajectories, failures = _counted(sequences)
    reporter.message(
        f"Training on {trajectories} trajectories ({failures} failures, {failures / trajectories:.1%}), "
        f"{tokens} tokens, {plan.total_steps} steps.",
        **data.counts(),
        tokens=tokens,
        total_steps=plan.total_steps,
        trajectories_per_step=plan.per_step,
    )


def _counted(sequences: list[TokenSequence]) -> tuple[int, int]:
    """Number of trajectories, and of failures among them. A recorded trajectory may have several sequences."""
    return len({s.id for s in sequences}), len({s.id for s in sequences if s.failure})


def _train(trainer: TrajectoryTrainer, spec: JobSpec, reporter: Reporter) -> None:
    bundle = latest_checkpoint(spec.folder)
    if bundle is not None:
        reporter.message(f"Continuing from {bundle.name}.", step=int(bundle.name.rpartition("-")[2]))
    trainer.train_from(bundle)


def _finish(trainer: TrajectoryTrainer, spec: JobSpec, reporter: Reporter) -> dict[str, float]:
    """Average the snapshots and scale the update, if the job asks for it; returns the metrics of the last reading."""
    metrics, optimisation = dict(trainer.final_metrics), spec.request.optimisation
    steps = snapshot_steps(trainer.meter.total_steps, optimisation.average_checkpoints)
    if steps:
        paths = [snapshot_path(spec.folder, step) for step in steps]
        load_trainable(average(paths), trainer.model)
        metrics["averaging_gap"] = averaging_gap(paths)
        reporter.message(f"Averaged the checkpoints of steps {steps}.", gap=metrics["averaging_gap"])
    _check_weights(trainer.model)
    if optimisation.interpolation < 1:
        scale_update(trainer.model, optimisation.interpolation)
        reporter.message(f"Kept {optimisation.interpolation:g} of the adapter's update of the base.")
    return metrics


def _check_weights(model: Any) -> None:
    """Raise InvalidInputError if a weight has diverged. Normalisation layers can keep the loss finite even then."""
    for name, parameter in trainable_tensors(model).items():
        largest = float(parameter.abs().max())
        if not largest < _LARGEST_WEIGHT:
            raise InvalidInputError(
                f"Training has diverged: a weight of {name} became {largest:g}.", hint="Lower the learning rate."
            )


def _draft(
    spec: JobSpec, model: Any, data: TrainingData, sequences: list[TokenSequence], metrics: dict[str, float]
) -> Draft:
    request, (trajectories, failures) = spec.request, _counted(sequences)
    config = model.peft_config["default"]
    counts = data.counts() | {
        "trained_trajectories": trajectories,
        "trained_failures": failures,
        "trained_failure_share": round(failures / trajectories, 6),
        "tokens": sum(map(len, sequences)),
        "trained_tokens": sum(s.trained for s in sequences),
    }
    return Draft(
        request=request,
        job_id=spec.id,
        base_fingerprint=base_fingerprint(resolve_base_model(request.model)),
        rank=config.r,
        target_modules=sorted(config.target_modules),
        data=counts,
        metrics=metrics,
        prompt=data.prompt,
        save=lambda folder: model.save_pretrained(str(folder), save_embedding_layers=False),
    )
