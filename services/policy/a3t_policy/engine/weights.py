"""The base model and the adapters on it: merged copies while the base is small, peft's side by side otherwise."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.nf4 import keep_compute_dtype

from .lean import LeanModel, is_lean

__all__ = ["BASE", "Weights", "load_base", "pick_device", "pick_dtype"]

BASE = 0
"""Number of the base among the versions."""

_WEIGHTS_NAME = "adapter_model.safetensors"


def pick_device(name: str) -> torch.device:
    """The device of a setting; auto takes a GPU if there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """The dtype of a setting; auto is float32 on CPU and bfloat16 elsewhere."""
    if name == "auto":
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def load_base(folder: str, device: torch.device, dtype: torch.dtype, quantisation: str) -> Any:
    """The base model in evaluation mode. Raises InvalidInputError where transformers cannot load it."""
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
        raise InvalidInputError(f"The base model {folder} cannot be loaded: {error}") from error
    return keep_compute_dtype(model.eval().requires_grad_(False))


class Weights:
    """Modules by version number; `width` is the number of positions in the cache.

    Used by the engine's thread alone, but for `prepare`, which touches nothing shared while the base is small
    enough to be copied.
    """

    def __init__(self, base: Any, merge_below: int, width: int) -> None:
        self.base = base
        self._width = width
        quantised = getattr(base, "is_quantized", False)
        self.merging = not quantised and sum(p.numel() for p in base.parameters()) < merge_below
        self.lean = self.merging and is_lean(base)
        self._merged: dict[int, Any] = {BASE: self._fast(base)}
        self._peft: PeftModel | None = None
        self._active: int = BASE

    def prepare(self, folder: Path) -> Any:
        """The base with an adapter merged into a copy of it, read back before it is merged."""
        with _plain_errors(folder):
            model = PeftModel.from_pretrained(copy.deepcopy(self.base), str(folder), is_trainable=False)
            _read_back(model, "default", folder)
            return self._fast(model.merge_and_unload(safe_merge=True).eval().requires_grad_(False))

    def give_up_lean(self) -> None:
        """Compute with transformers' own forward; before any adapter is loaded."""
        self.lean = False
        self._merged = {BASE: self.base}

    def add(self, number: int, prepared: Any) -> None:
        """Take up what `prepare` gave."""
        self._merged[number] = prepared

    def attach(self, number: int, folder: Path) -> None:
        """Load an adapter beside the others into the shared base, and read it back."""
        name = _peft_name(number)
        self._active = -1
        try:
            with _plain_errors(folder):
                if self._peft is None:
                    self._peft = PeftModel.from_pretrained(self.base, str(folder), adapter_name=name)
                else:
                    self._peft.load_adapter(str(folder), adapter_name=name)
                _read_back(self._peft, name, folder)
        except InvalidInputError:
            self.remove(number)
            raise

    def remove(self, number: int) -> None:
        """Give up a version's weights."""
        if self.merging:
            self._merged.pop(number, None)
        elif self._peft is not None and _peft_name(number) in self._peft.peft_config:
            self._peft.delete_adapter(_peft_name(number))
            self._active = -1

    def _fast(self, module: Any) -> Any:
        return LeanModel(module, self._width) if self.lean else module

    @contextmanager
    def active(self, number: int) -> Iterator[Any]:
        """The module that computes a version."""
        if self.merging or self._peft is None:
            yield self._merged[number]
        elif number == BASE:
            with self._peft.disable_adapter():
                yield self.base
        else:
            if self._active != number:
                self._peft.set_adapter(_peft_name(number))
                self._active = number
            yield self.base


@contextmanager
def _plain_errors(folder: Path) -> Iterator[None]:
    """peft's many kinds of complaint as InvalidInputError."""
    try:
        yield
    except (ValueError, KeyError, RuntimeError, TypeError) as error:
        raise InvalidInputError(f"The adapter in {folder} cannot be put on the base: {error}") from error


def _peft_name(number: int) -> str:
    return f"v{number}"


def _read_back(model: PeftModel, name: str, folder: Path) -> None:
    """Compare the tensors in the model with those in the file. Raises InvalidInputError naming the first that
    differs."""
    stored = load_file(folder / _WEIGHTS_NAME)
    if bad := next((key for key, tensor in stored.items() if not tensor.isfinite().all()), None):
        raise InvalidInputError(f"The adapter's {bad} holds values that are not finite.")
    held = get_peft_model_state_dict(model, adapter_name=name)
    if missing := stored.keys() ^ held.keys():
        raise InvalidInputError(f"The adapter's tensors do not fit the base: {sorted(missing)[0]} has no counterpart.")
    for key, tensor in stored.items():
        there = held[key]
        if there.shape != tensor.shape or not torch.equal(there.cpu(), tensor.to(there.dtype)):
            raise InvalidInputError(f"Reading back the adapter gave another {key} than its file holds.")
