"""The base model with its adapters. A small base has a merged copy for each version, a large base has adapters side
by side.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.nf4 import keep_compute_dtype
from a3t_contracts.safe_weights import check_base_files

from .adapters import Adapter, merge_into, plain_errors
from .lean import LeanModel, is_lean
from .side_by_side import SideBySide

__all__ = ["BASE", "Weights", "load_base", "pick_device", "pick_dtype"]

BASE = 0
"""Number of the base among the versions."""


def pick_device(name: str) -> torch.device:
    """The device that a setting names; auto takes a GPU if there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """The number format that a setting names; auto is float32 on a CPU and bfloat16 elsewhere."""
    if name == "auto":
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def load_base(folder: str, device: torch.device, dtype: torch.dtype, quantisation: str) -> Any:
    """Load the base model in evaluation mode. Raises InvalidInputError if its weights are not safetensors files or
    transformers cannot load it."""
    check_base_files(folder)
    extra: dict[str, Any] = {}
    if quantisation == "nf4":
        extra["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
        )
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, device_map={"": device}, attn_implementation="sdpa", use_safetensors=True, **extra
        )
    except (OSError, ValueError, ImportError) as error:
        raise InvalidInputError(
            f"The base model {folder} cannot be loaded: {error}.",
            hint="Check A3T_POLICY_BASE_MODEL: it must be a causal language model of transformers.",
        ) from error
    return keep_compute_dtype(model.eval().requires_grad_(False))


class Weights:
    """The modules by version number. `width` is the number of positions in the KV cache.

    Only the engine's thread may use it, except `prepare`, which uses no shared state if the base is small enough to be
    copied.
    """

    def __init__(self, base: Any, merge_below: int, width: int) -> None:
        self.base = base
        self._width = width
        quantised = getattr(base, "is_quantized", False)
        self.merging = not quantised and sum(p.numel() for p in base.parameters()) < merge_below
        self.lean = self.merging and is_lean(base)
        self._merged: dict[int, Any] = {BASE: self._fast(base)}
        self._beside = SideBySide(base)

    def prepare(self, folder: Path) -> Any:
        """Make a copy of the base with an adapter merged into it. The adapter is checked before it is merged."""
        with plain_errors(folder):
            adapter = Adapter.read(folder, self._beside.names)
            model = copy.deepcopy(self.base)
            merge_into(model, adapter)
            return self._fast(model.eval().requires_grad_(False))

    @property
    def has_kernel(self) -> bool:
        """Whether single tokens attend in one call of a compiled kernel, with every version."""
        base = self._merged[BASE]
        return isinstance(base, LeanModel) and base.has_kernel

    def give_up_lean(self) -> None:
        """Use the forward pass of transformers from now on. Call this before any adapter is loaded."""
        self.lean = False
        self._merged = {BASE: self.base}

    def add(self, number: int, prepared: Any) -> None:
        """Add the module that `prepare` returned."""
        self._merged[number] = prepared

    def attach(self, number: int, folder: Path) -> None:
        """Load an adapter beside the others on the shared base, and check it. A failure changes nothing."""
        self._beside.attach(number, folder)

    @property
    def merged(self) -> list[int]:
        """Numbers of the versions whose weights are merged and kept, the base's included."""
        return sorted(self._merged)

    def remove(self, number: int) -> None:
        """Free a version's weights."""
        if self.merging:
            self._merged.pop(number, None)
        else:
            self._beside.remove(number)

    def _fast(self, module: Any) -> Any:
        return LeanModel(module, self._width) if self.lean else module

    @contextmanager
    def active(self, number: int) -> Iterator[Any]:
        """The module that computes a version."""
        if self.merging:
            yield self._merged[number]
        else:
            yield self._beside.activate(None if number == BASE else number)
