"""The Trainer of transformers with the objectives, batches and checkpoints of this project."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, SequentialSampler
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from typing_extensions import override

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.schemas import Objective, Optimisation, Progress

from ..encoding.collate import MicroBatch, StepScale, collate
from ..encoding.name_permutation import NamePermutation
from ..encoding.plan import StepPlan, Unit, micro_batches, single_units
from . import checkpoint
from .averaging import snapshot_path, snapshot_steps
from .meter import Meter
from .objective import dpo_loss, sequence_logprobs, weighted_loss

__all__ = ["Reporter", "StepDataset", "TrajectoryTrainer"]


class Reporter(Protocol):
    """Receives a job's messages and progress."""

    def message(self, text: str, level: Literal["info", "warn", "error"] = "info", **data: Any) -> None:
        """Report an event in words."""

    def progress(self, progress: Progress) -> None:
        """Report the job's progress."""


class StepDataset(Dataset[list[MicroBatch]]):
    """Item i is optimiser step i of the whole job, split into the forward passes of one process.

    Args:
        plan: the steps.
        objective: the objective, whose normalisation is used.
        optimisation: packing and tokens per pass.
        pad_id: id of the padding token.
        reference: for DPO, log π_ref of every sequence by its id.
        permutation: permutes names, differently in every step.
    """

    def __init__(
        self,
        plan: StepPlan,
        objective: Objective,
        optimisation: Optimisation,
        pad_id: int,
        reference: dict[str, float] | None = None,
        permutation: NamePermutation | None = None,
    ) -> None:
        self.plan, self.pad_id, self.reference, self.permutation = plan, pad_id, reference, permutation
        self.packing, self.tokens = optimisation.packing, optimisation.tokens_per_batch
        self.normalisation = objective.normalisation
        self.rank, self.processes = 0, 1

    def __len__(self) -> int:
        return self.plan.total_steps

    def __getitem__(self, number: int) -> list[MicroBatch]:
        units = self.plan.step(number)
        if self.permutation is not None:
            units = [self.permutation.apply_all(unit, number) for unit in units]
        scale = StepScale(None, 1, 1) if self.reference else StepScale.of(self.normalisation, units)
        units = units if self.reference else single_units(units)
        batches = micro_batches(units, self.tokens, packing=self.packing, multiple_of=self.processes)
        return [self._collate(b, units, scale) for b in batches[self.rank :: self.processes]]

    def _collate(self, batch: list[Unit], units: list[Unit], scale: StepScale) -> MicroBatch:
        """The tensors of a pass. A process without a pass gets one that contributes nothing to the loss."""
        chosen = batch or units[:1]
        micro = collate(chosen, scale, packing=self.packing, pad_id=self.pad_id)
        if self.reference is not None:
            micro["reference"] = torch.tensor([self.reference[s.id] for unit in chosen for s in unit])
            micro["pair_weight"] = torch.tensor(1.0 / len(units) if batch else 0.0)
        return micro if batch else micro | {"coefficients": torch.zeros(len(micro["targets"]))}  # type: ignore[arg-type]


class TrajectoryTrainer(Trainer):  # type: ignore[misc]
    """Trains on `StepDataset`: one item of the loader is one optimiser step.

    The loss of a step is that of the objective and does not depend on the number of forward passes and processes.
    Raises InvalidInputError if the loss or the gradient is no longer finite.
    """

    def __init__(
        self,
        model: nn.Module,
        args: TrainingArguments,
        dataset: StepDataset,
        objective: Objective,
        reporter: Reporter,
        *,
        average: int = 0,
        report_seconds: float = 1.0,
    ) -> None:
        super().__init__(model=model, args=args, train_dataset=dataset)
        dataset.rank, dataset.processes = args.process_index, args.world_size
        self.objective, self.reporter = objective, reporter
        self.meter = Meter(len(dataset), dataset.plan.steps_per_epoch)
        self.final_metrics: dict[str, float] = {}
        self.pace = _Pace(report_seconds)
        self.remove_callback(PrinterCallback)
        self.add_callback(self.pace)
        self.add_callback(_Snapshots(Path(str(args.output_dir)), snapshot_steps(len(dataset), average)))

    @override
    def get_train_dataloader(self) -> DataLoader[list[MicroBatch]]:
        dataset: Any = self.train_dataset
        return DataLoader(dataset, batch_size=1, sampler=SequentialSampler(dataset), collate_fn=_only)

    @override
    def floating_point_ops(self, inputs: Any) -> int:
        return 0

    def train_from(self, bundle: Path | None) -> None:
        """Train to the end, from a checkpoint or from the start."""
        self.meter.first_step = int(bundle.name.rpartition("-")[2]) if bundle else 0
        self.meter.started = time.perf_counter()
        self.train(resume_from_checkpoint=str(bundle) if bundle else None)

    def training_step(self, model: nn.Module, inputs: Sequence[MicroBatch], num_items_in_batch: Any = None) -> Tensor:
        """Loss and gradient of one optimiser step, pass by pass. Processes exchange gradients after the last pass."""
        losses = []
        for index, micro in enumerate(inputs):
            last = index == len(inputs) - 1
            with contextlib.nullcontext() if last else self.accelerator.no_sync(model):
                losses.append(super().training_step(model, micro, None))
        loss = torch.stack(losses).sum()
        if not math.isfinite(loss):
            raise _diverged("loss", float(loss), self.state.global_step + 1)
        self.meter.step(loss)
        return loss

    def compute_loss(
        self, model: nn.Module, inputs: MicroBatch, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The objective over one forward pass, times the number of processes, because gradients are averaged over
        them."""
        batch: dict[str, Any] = dict(inputs)
        coefficients, parts, failure, sequence = (
            batch.pop(k) for k in ("coefficients", "parts", "failure", "sequence")
        )
        reference, pair_weight = batch.pop("reference", None), batch.pop("pair_weight", None)
        logprobs = model(**batch)
        self.meter.add(logprobs, parts, failure, _tokens(batch))
        if reference is not None:
            policy = sequence_logprobs(logprobs, coefficients, sequence, len(reference))
            loss = dpo_loss(policy, reference, self.objective.dpo_beta) * pair_weight
        else:
            loss = weighted_loss(logprobs, coefficients, failure, self.objective.failure_nll_cap)
        loss = loss * self.args.world_size
        return (loss, {}) if return_outputs else loss

    def _clip_grad_norm(self, model: nn.Module) -> Any:
        norm = super()._clip_grad_norm(model)
        if norm is not None and not math.isfinite(norm):
            raise _diverged("gradient norm", float(norm), self.state.global_step + 1)
        return norm

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        root = Path(str(self.args.output_dir))
        target = root / f"checkpoint-{self.state.global_step}"
        partial = root / f".partial-{self.state.global_step}"
        partial.mkdir(parents=True, exist_ok=True)
        checkpoint.save_rng(partial, self.args.process_index)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            checkpoint.save_trainable(partial / "adapter.safetensors", self.model)
            checkpoint.save_optimizer(partial, self.optimizer)
            checkpoint.save_scheduler(partial, self.lr_scheduler)
            self.state.save_to_json(str(partial / "trainer_state.json"))
            checkpoint.finish_bundle(partial, target)
            self.reporter.message(f"Checkpoint of step {self.state.global_step} saved.", step=self.state.global_step)
        self.accelerator.wait_for_everyone()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        checkpoint.load_trainable(Path(resume_from_checkpoint) / "adapter.safetensors", model or self.model)

    def _load_optimizer_and_scheduler(self, bundle: str | None) -> None:
        if bundle is not None:
            checkpoint.load_optimizer(Path(bundle), self.optimizer)
            checkpoint.load_scheduler(Path(bundle), self.lr_scheduler)

    def _load_rng_state(self, bundle: str | None) -> None:
        if bundle is not None:
            checkpoint.load_rng(Path(bundle), self.args.process_index)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the loss by part to the logs of the Trainer, and report the progress."""
        step = self.state.global_step
        if "loss" in logs:
            progress = self.meter.read(step)
            self.final_metrics = _metrics(progress)
            logs |= {f"nll_{name}": value for name, value in progress.loss_parts.items()}
            logs["tokens_per_second"] = progress.tokens_per_second or 0.0
            if self.pace.due() or step >= self.meter.total_steps:
                self.pace.reported = time.perf_counter()
                self.reporter.progress(progress)
        super().log(logs, start_time)


class _Pace(TrainerCallback):  # type: ignore[misc]
    """Lets the Trainer log when the next report is due, whatever the duration of a step."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.reported = seconds, -math.inf

    def due(self) -> bool:
        return time.perf_counter() - self.reported >= self.seconds

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        control.should_log = control.should_log or self.due()


class _Snapshots(TrainerCallback):  # type: ignore[misc]
    """Saves the adapter after chosen steps, for averaging."""

    def __init__(self, folder: Path, steps: list[int]) -> None:
        self.folder, self.steps = folder, frozenset(steps)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.global_step in self.steps and args.should_save:
            checkpoint.save_trainable(snapshot_path(self.folder, state.global_step), kwargs["model"])


def _metrics(progress: Progress) -> dict[str, float]:
    measured = {
        "loss": progress.loss,
        "tokens_per_second": progress.tokens_per_second,
        "peak_memory_bytes": progress.peak_memory_bytes,
        "steps": progress.step,
        "epochs": progress.epoch,
    }
    parts = {f"nll_{name}": value for name, value in progress.loss_parts.items()}
    return {name: float(value) for name, value in (measured | parts).items() if value is not None}


def _only(items: list[list[MicroBatch]]) -> list[MicroBatch]:
    return items[0]


def _tokens(batch: dict[str, Any]) -> int:
    mask = batch.get("attention_mask")
    return int(batch["input_ids"].numel() if mask is None else mask.sum())


def _diverged(what: str, value: float, step: int) -> InvalidInputError:
    if step == 1:
        return InvalidInputError(
            f"The {what} became {value} at step 1, before anything was learnt: the base model's weights have values "
            "that are not finite, or its computation in this dtype or quantisation overflows.",
            hint="Check the base model, or train with dtype float32 and without quantisation.",
        )
    return InvalidInputError(
        f"The {what} became {value} at step {step}; most likely training has diverged.",
        hint="Lower the learning rate or failure_weight, or set failure_nll_cap.",
    )
