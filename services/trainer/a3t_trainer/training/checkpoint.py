"""Checkpoints with everything that a job needs to resume exactly. No pickle is used.

`checkpoint-<step>/` has adapter.safetensors, optimizer.safetensors, optimizer.json, scheduler.json, rng-<rank>.json,
trainer_state.json (with the step, which is also the position in the data) and, written last, manifest.json with all
hashes.
"""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from a3t_contracts.files import replace_folder

from ..bundle import is_whole, seal

__all__ = [
    "finish_bundle",
    "latest_checkpoint",
    "load_optimizer",
    "load_rng",
    "load_scheduler",
    "load_trainable",
    "save_optimizer",
    "save_rng",
    "save_scheduler",
    "save_trainable",
    "trainable_tensors",
]

_KEPT = 2


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint; None if there is none. Incomplete ones, which a crash left, are removed."""
    for partial in folder.glob(".partial-*"):
        shutil.rmtree(partial)
    bundles = sorted(folder.glob("checkpoint-*"), key=_step, reverse=True)
    return next((b for b in bundles if is_whole(b)), None)


def finish_bundle(partial: Path, target: Path) -> None:
    """Write the manifest of a finished folder, rename the folder, and delete all but the two newest checkpoints."""
    seal(partial, step=_step(target))
    replace_folder(partial, target)
    for old in sorted(target.parent.glob("checkpoint-*"), key=_step, reverse=True)[_KEPT:]:
        shutil.rmtree(old)


def _step(bundle: Path) -> int:
    return int(bundle.name.rpartition("-")[2])


def trainable_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Name and value of every trained parameter."""
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def save_trainable(path: Path, model: nn.Module) -> None:
    """Write the trained parameters."""
    save_file({name: p.cpu().contiguous() for name, p in trainable_tensors(model).items()}, path)


def load_trainable(source: Path | dict[str, Tensor], model: nn.Module) -> None:
    """Set the trained parameters. Names and shapes must be those of the model."""
    values = load_file(source) if isinstance(source, Path) else source
    own = trainable_tensors(model)
    if values.keys() != own.keys():
        raise ValueError(f"saved parameters differ from the model's: {sorted(values.keys() ^ own.keys())[:3]}")
    for name, parameter in own.items():
        parameter.copy_(values[name])


def save_optimizer(folder: Path, optimizer: Any) -> None:
    """Write an optimiser's state: tensors to safetensors, numbers and parameter groups to JSON."""
    state = optimizer.state_dict()
    flat = {f"{index}.{name}": v for index, entry in state["state"].items() for name, v in _unwrapped(entry).items()}
    tensors = {k: v.cpu().contiguous() for k, v in flat.items() if isinstance(v, Tensor)}
    numbers = {k: v for k, v in flat.items() if not isinstance(v, Tensor)}
    save_file(tensors, folder / "optimizer.safetensors")
    text = json.dumps({"numbers": numbers, "param_groups": state["param_groups"]})
    (folder / "optimizer.json").write_text(text)


def _unwrapped(entry: dict[str, Any]) -> dict[str, Any]:
    """Return a parameter's state without the inner dict in which bitsandbytes hides its tensors from FSDP.
    `load_state_dict` accepts both forms.
    """
    inner = {k: v for value in entry.values() if isinstance(value, dict) for k, v in value.items()}
    return {k: v for k, v in entry.items() if not isinstance(v, dict)} | inner


def load_optimizer(folder: Path, optimizer: Any) -> None:
    """Restore what `save_optimizer` wrote."""
    saved = json.loads((folder / "optimizer.json").read_text())
    state: dict[int, dict[str, Any]] = {}
    for key, value in (load_file(folder / "optimizer.safetensors") | saved["numbers"]).items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    groups = [{k: tuple(v) if k == "betas" else v for k, v in g.items()} for g in saved["param_groups"]]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def save_scheduler(folder: Path, scheduler: Any) -> None:
    """Write a learning-rate schedule's state."""
    (folder / "scheduler.json").write_text(json.dumps(scheduler.state_dict()))


def load_scheduler(folder: Path, scheduler: Any) -> None:
    """Restore what `save_scheduler` wrote."""
    scheduler.load_state_dict(json.loads((folder / "scheduler.json").read_text()))


def save_rng(folder: Path, rank: int) -> None:
    """Write the states of the random generators of Python, numpy and torch."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()
    cuda = [s.tolist() for s in torch.cuda.get_rng_state_all()] if torch.cuda.is_available() else []
    states = {
        "python": random.getstate(),
        "numpy": [kind, np.asarray(keys).tolist(), position, has_gauss, gauss],
        "torch": torch.get_rng_state().tolist(),
        "cuda": cuda,
    }
    (folder / f"rng-{rank}.json").write_text(json.dumps(states))


def load_rng(folder: Path, rank: int) -> None:
    """Restore what `save_rng` wrote."""
    states = json.loads((folder / f"rng-{rank}.json").read_text())
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    np.random.set_state(tuple(states["numpy"]))
    torch.set_rng_state(torch.tensor(states["torch"], dtype=torch.uint8))
    if states["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([torch.tensor(s, dtype=torch.uint8) for s in states["cuda"]])
