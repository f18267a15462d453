"""Records the corpus and the first steps of a training run, so that `--check` can tell whether the command still gives
the same result."""

from __future__ import annotations

import hashlib
import json
import platform
from pathlib import Path
from typing import Any

import torch
from pydantic import Field, ValidationError

from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.files import write_atomically
from a3t_contracts.schemas import Schema

__all__ = ["RECORDED_STEPS", "Recorder", "StartRecord", "Verdict", "compare", "recorded_start"]

RECORDED_STEPS = 200
_LOSS_STEPS, _WEIGHT_STEPS = 10, 50
"""Steps at which the loss and the hash of the weights are recorded."""
_TOLERANCE, _ALIKE_STEPS = 0.05, 100
"""Largest difference of a loss, in nats, on another processor or torch build, and the number of steps for which it
holds. Between an AMD EPYC and an Intel Xeon the losses of `a3t/tiny` differ by at most 0.002 in the first 100 steps and
by 0.12 in the next 100, because rounding differences grow."""


class StartRecord(Schema):
    """The corpus and the first steps of a run. Hashes are SHA-256."""

    corpus: str = Field(description="Hash of corpus.jsonl")
    weights: dict[int, str] = Field(default_factory=dict, description="Hash of all weights, by number of steps")
    losses: dict[int, float] = Field(default_factory=dict, description="Loss by step, in nats per weighted token")
    torch: str = Field(description="Version and build of torch")
    processor: str = Field(description="Vendor, model and vector instructions of the processor")

    @classmethod
    def here(cls, corpus: str) -> StartRecord:
        """An empty record of a run on this machine."""
        return cls(corpus=corpus, torch=torch.__version__, processor=_processor())


class Recorder:
    """Writes the record of a run to a file after each step, so that an interrupted run keeps it."""

    def __init__(self, path: Path, corpus: str) -> None:
        self._path = path
        self.record = StartRecord.here(corpus)
        if path.is_file() and (known := StartRecord.model_validate_json(path.read_text())).corpus == corpus:
            self.record = known

    def note(self, step: int, loss: float, model: torch.nn.Module) -> None:
        """Record a step; called after each step."""
        if step > RECORDED_STEPS or step % _LOSS_STEPS:
            return
        self.record.losses[step] = loss
        if step % _WEIGHT_STEPS == 0:
            self.record.weights[step] = weights_hash(model)
        write_atomically(self._path, self.record.model_dump_json(indent=2))


class Verdict(Schema):
    """Whether a run began like another run, and why this is concluded. `exact`: bit for bit."""

    same: bool
    exact: bool
    detail: str


def compare(recorded: StartRecord, found: StartRecord) -> Verdict:
    """Compare two records. On the same kind of processor and torch build they must be equal bit for bit; otherwise
    only the losses of the first `_ALIKE_STEPS` steps are compared, within `_TOLERANCE`.
    """
    if found.corpus != recorded.corpus:
        return Verdict(same=False, exact=False, detail="The corpus differs: games, exercises or reasons changed.")
    steps = [step for step in recorded.weights if found.weights.get(step) != recorded.weights[step]]
    if not steps and recorded.weights:
        return Verdict(same=True, exact=True, detail=f"Bit for bit the same after {max(recorded.weights)} steps.")
    early = {step: loss for step, loss in recorded.losses.items() if step <= _ALIKE_STEPS}
    furthest = max((abs(found.losses.get(step, 1e9) - loss) for step, loss in early.items()), default=1e9)
    where = (
        f"The weights differ from step {min(steps, default=0)} on, and losses by up to {furthest:.2g} in the first "
        f"{_ALIKE_STEPS} steps"
    )
    if (found.torch, found.processor) == (recorded.torch, recorded.processor):
        return Verdict(same=False, exact=False, detail=f"{where}, on the same kind of processor with the same torch.")
    machines = f"({recorded.processor}, torch {recorded.torch}; here {found.processor}, torch {found.torch})"
    detail = f"{where}. The machines differ {machines}; differences up to {_TOLERANCE} come from the rounding of sums."
    return Verdict(same=furthest <= _TOLERANCE, exact=False, detail=detail)


def recorded_start(base: Path) -> tuple[dict[str, Any], StartRecord]:
    """The settings of a finished base, and the record of how its run began. Raises NotFoundError, InvalidInputError."""
    path = base / "pretraining.json"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        return dict(facts["settings"]), StartRecord.model_validate(facts["start"])
    except (OSError, KeyError) as error:
        raise NotFoundError(f"{path} has no record of a run's first steps.") from error
    except (ValidationError, ValueError, TypeError) as error:
        raise InvalidInputError(f"{path} cannot be read: {error}") from error


def weights_hash(model: torch.nn.Module) -> str:
    """SHA-256 over the names and bytes of all tensors, by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _processor() -> str:
    """Vendor, model and widest vector instructions of the processor, which determine the order of sums."""
    names = {"vendor_id": "", "cpu family": "", "model": "", "model name": ""}
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []:
        name, _, value = line.partition(":")
        if names.get(name.strip()) == "":
            names[name.strip()] = value.strip()
    told = " ".join(value for value in names.values() if value) or platform.processor()
    return f"{platform.machine()} {told} {torch.backends.cpu.get_cpu_capability()}"
