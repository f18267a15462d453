"""What a base needs on this machine, calculated from its files without reading the weights."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import psutil
import torch
from accelerate import init_empty_weights
from huggingface_hub import snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError
from pydantic import Field
from transformers import AutoConfig, AutoModelForCausalLM

from a3t_contracts.base_model import resolve_base_model
from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.safe_weights import check_base_files
from a3t_contracts.schemas import Schema

from ..engine.lean import is_lean
from ..engine.slots import CacheShape
from ..engine.weights import pick_device, pick_dtype
from ..settings import PolicySettings
from ..text import TextCodec

__all__ = ["ModelFacts", "facts_of", "folder_of"]

_NF4_BYTES = 0.5 + 4 / 64
"""Bytes per weight: four bits, and a float32 scale for each block of 64 weights."""


class ModelFacts(Schema):
    """Properties of a base, and what it needs on this machine with the policy service's settings."""

    name: str = Field(description="The name under which the base was asked for")
    folder: str = Field(description="Folder of its files")
    architecture: str = Field(description="Name of its class in transformers")
    parameters: int = Field(description="Number of parameters")
    disk_bytes: int = Field(description="Size of its weights on disk, in bytes")
    context: int = Field(description="Most tokens of prompt and completion together that the model supports")
    served_context: int = Field(
        description="Most tokens of them together that the policy service serves (A3T_POLICY_MAX_CONTEXT)"
    )
    chat_template: bool = Field(description="Whether its tokenizer has a chat template")
    engine: str = Field(description="How the local engine computes it")
    quantisations: list[str] = Field(description="Values of A3T_POLICY_QUANTISATION that work here")
    device: str = Field(description="Device on which the local engine computes it")
    dtype: str = Field(description="Number format of the local engine")
    weights_bytes: dict[str, int] = Field(description="Memory of the base's weights in bytes, by quantisation")
    adapter_bytes: int = Field(
        description="Memory of each loaded adapter version in bytes; 0 if it only needs the adapter's own weights"
    )
    cache_bytes: int = Field(description="Memory of one sequence of `served_context` tokens, in bytes")
    free_bytes: int = Field(description="Memory that is free now, in bytes")


def folder_of(name: str) -> Path:
    """The local folder of a base. Raises NotFoundError if it is not on this machine."""
    place = Path(resolve_base_model(name))
    if place.is_dir():
        return place
    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, ValueError) as error:
        raise NotFoundError(
            f"The base model {name} is not on this machine.", hint=f"`a3t models fetch {name}` downloads it."
        ) from error


def facts_of(name: str, settings: PolicySettings) -> ModelFacts:
    """The facts of a base. Raises NotFoundError, or InvalidInputError if its folder has no causal language model."""
    folder = folder_of(name)
    check_base_files(str(folder))
    model = _empty(folder)
    config = model.config
    device = pick_device(settings.policy_device)
    dtype = pick_dtype(settings.policy_dtype, device)
    count = sum(p.numel() for p in model.parameters())
    merging = count < settings.policy_merge_below
    context = _context(config)
    served = min(context, settings.policy_max_context)
    weights = {"none": count * dtype.itemsize}
    if importlib.util.find_spec("bitsandbytes"):
        linear = _linear(model)
        weights["nf4"] = int(linear * _NF4_BYTES) + (count - linear) * dtype.itemsize
    return ModelFacts(
        name=name,
        folder=str(folder),
        architecture=type(model).__name__,
        parameters=count,
        disk_bytes=sum(path.stat().st_size for path in folder.glob("*.safetensors")),
        context=context,
        served_context=served,
        chat_template=bool(TextCodec.load(str(folder)).tokenizer.chat_template),
        engine=_path(merging, merging and is_lean(model)),
        quantisations=list(weights),
        device=str(device),
        dtype=str(dtype).removeprefix("torch."),
        weights_bytes=weights,
        adapter_bytes=count * dtype.itemsize if merging else 0,
        cache_bytes=served * CacheShape.of(config).bytes_per_token(dtype),
        free_bytes=torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available,
    )


def _empty(folder: Path) -> Any:
    """The model without its weights."""
    try:
        config = AutoConfig.from_pretrained(folder)
        with init_empty_weights():
            model = AutoModelForCausalLM.from_config(config)
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InvalidInputError(f"{folder} is not a causal language model of transformers: {reason}") from error
    model.tie_weights()
    return model


def _linear(model: Any) -> int:
    """Number of parameters that nf4 quantises: those of every linear layer except the output layer."""
    head = model.get_output_embeddings()
    modules = (m for m in model.modules() if isinstance(m, torch.nn.Linear) and m is not head)
    return sum(module.weight.numel() for module in modules)


def _context(config: Any) -> int:
    limits = (getattr(config, "max_position_embeddings", None), getattr(config, "sliding_window", None))
    return min((limit for limit in limits if limit), default=0)


def _path(merging: bool, lean: bool) -> str:
    forward = "A³T's own forward pass" if lean else "the forward pass of transformers"
    held = "each adapter version merged into a copy of the base" if merging else "adapters beside one base"
    return f"{forward}, {held}"
