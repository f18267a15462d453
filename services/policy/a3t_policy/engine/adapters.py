"""Puts an adapter on the base model, or merges it, and checks that the loaded tensors equal those of the file.

peft gets only the settings that affect the result, and the full name of each targeted module. It initialises nothing
from the base, and does not change the base's weights.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import cast_adapter_dtype, check_target_module_exists
from peft.utils.integrations import dequantize_module_weight
from peft.utils.other import get_pattern_key
from safetensors.torch import load_file
from torch import Tensor

from a3t_contracts.adapter_config import read_adapter_config
from a3t_contracts.errors import InvalidInputError
from a3t_contracts.safe_weights import ADAPTER_WEIGHTS

__all__ = ["Adapter", "TargetNames", "lora_layers", "merge_into", "plain_errors", "put_on", "take_off"]

_MERGED = "merged"
_KEY = re.compile(r"^base_model\.model\.(?P<module>.+)\.(?P<part>lora_A|lora_B|lora_magnitude_vector)(\.weight)?$")


class TargetNames:
    """The names of a base's modules before any adapter is put on it."""

    def __init__(self, base: Any) -> None:
        self.all = [name for name, _ in base.named_modules() if name]
        self.linear = frozenset(name for name, module in base.named_modules() if hasattr(module, "in_features"))
        head = base.get_output_embeddings()
        self._head = {name for name, module in base.named_modules() if module is head}

    def matched(self, config: LoraConfig) -> set[str]:
        """The modules on which peft would put LoRA."""
        if isinstance(config.target_modules, str) and config.target_modules.lower() == "all-linear":
            config.target_modules = sorted(self.linear - self._head)
        return {name for name in self.all if check_target_module_exists(config, name)}


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter read from a folder: the config for peft, and the tensors by module and part."""

    config: LoraConfig
    tensors: dict[str, dict[str, Tensor]]

    @classmethod
    def read(cls, folder: Path, names: TargetNames) -> Adapter:
        """Read a folder. Raises InvalidInputError if settings and tensors name different modules, or a value is not
        finite."""
        settings = read_adapter_config(folder)
        wanted = LoraConfig(
            r=settings["r"],
            lora_alpha=settings["lora_alpha"],
            target_modules=settings["target_modules"],
            exclude_modules=settings.get("exclude_modules"),
            layers_to_transform=settings.get("layers_to_transform"),
            layers_pattern=settings.get("layers_pattern"),
            rank_pattern=settings.get("rank_pattern") or {},
            alpha_pattern=settings.get("alpha_pattern") or {},
            use_rslora=bool(settings.get("use_rslora")),
            use_dora=bool(settings.get("use_dora")),
            inference_mode=True,
        )
        tensors = _tensors(folder)
        targets = names.matched(wanted)
        if odd := sorted(targets ^ tensors.keys()):
            where = "only target_modules names it" if odd[0] in targets else "only the tensors name it"
            raise InvalidInputError(f"{folder}: the module {odd[0]} has no counterpart: {where}.")
        if odd := sorted(targets - names.linear):
            raise InvalidInputError(f"{folder}: target_modules names {odd[0]}, not a linear layer of the base.")
        _check_ranks(wanted, tensors)
        wanted.target_modules = "|".join(re.escape(name) for name in sorted(targets))
        wanted.exclude_modules = wanted.layers_to_transform = wanted.layers_pattern = None
        return cls(wanted, tensors)


def put_on(base: Any, adapter: Adapter, name: str) -> None:
    """Wrap the targeted modules, fill in the tensors and compare them with what the modules then contain.

    Raises InvalidInputError at the first difference; modules that were wrapped by then stay wrapped (`take_off` undoes
    it).
    """
    inject_adapter_in_model(adapter.config, base, adapter_name=name)
    del base.peft_config  # peft warns if it finds its earlier config here
    cast_adapter_dtype(base, name)
    base.eval()
    for module, parts in adapter.tensors.items():
        layer = base.get_submodule(module)
        for part, tensor in parts.items():
            there = getattr(layer, part)[name].weight
            if there.shape != tensor.shape:
                raise InvalidInputError(f"{module}.{part} has shape {tuple(tensor.shape)}, not {tuple(there.shape)}.")
            there.data.copy_(tensor)
            if not there.data.cpu().equal(tensor.to(there.dtype)):
                raise InvalidInputError(f"After loading the adapter, {module}.{part} differs from the adapter's file.")
        if adapter.config.use_dora:
            _check_dora(module, layer, name)


def merge_into(base: Any, adapter: Adapter) -> None:
    """Add an adapter to the weights of a base permanently and remove the wrappers. Raises InvalidInputError.

    If two modules share a weight (an output layer tied to the embedding) and one of them is targeted, they no longer
    share it.
    """
    owners = Counter(id(weight) for module in base.modules() for weight in module.parameters(recurse=False))
    for module in map(base.get_submodule, adapter.tensors):
        if owners[id(module.weight)] > 1:
            module.weight = torch.nn.Parameter(module.weight.detach().clone(), requires_grad=False)
    put_on(base, adapter, _MERGED)
    for _, layer in lora_layers(base):
        layer.merge(safe_merge=True, adapter_names=[_MERGED])
    take_off(base, _MERGED)


def take_off(base: Any, name: str) -> None:
    """Undo `put_on`, even a partial one. Modules without another adapter become the base's original modules again."""
    for path, layer in lora_layers(base):
        layer.set_adapter([], inference_mode=True)
        layer.delete_adapter(name)
        layer.lora_variant.pop(name, None)
        if not layer.r:
            parent, _, child = path.rpartition(".")
            setattr(base.get_submodule(parent), child, layer.get_base_layer())


def lora_layers(base: Any) -> list[tuple[str, Any]]:
    """The wrapped modules of a base and their names."""
    return [(name, module) for name, module in base.named_modules() if isinstance(module, LoraLayer)]


@contextmanager
def plain_errors(folder: Path) -> Iterator[None]:
    """Turn peft's exceptions into InvalidInputError."""
    try:
        yield
    except (ValueError, LookupError, RuntimeError, TypeError, AttributeError, re.error) as error:
        raise InvalidInputError(f"The adapter in {folder} cannot be put on the base: {error}") from error


def _tensors(folder: Path) -> dict[str, dict[str, Tensor]]:
    tensors: dict[str, dict[str, Tensor]] = {}
    for key, tensor in load_file(folder / ADAPTER_WEIGHTS).items():
        match = _KEY.match(key)
        if match is None:
            raise InvalidInputError(f"The adapter has a tensor that is not a LoRA tensor of a linear layer: {key}.")
        if not tensor.is_floating_point() or not tensor.isfinite().all():
            raise InvalidInputError(f"The adapter's {key} has values that are not finite numbers.")
        tensors.setdefault(match["module"], {})[match["part"]] = tensor
    return tensors


def _check_dora(module: str, layer: Any, name: str) -> None:
    weight = dequantize_module_weight(layer.get_base_layer()).float()
    product = layer.lora_B[name].weight.float() @ layer.lora_A[name].weight.float()
    if not (weight + layer.scaling[name] * product).norm(dim=1).all():
        raise InvalidInputError(
            f"DoRA divides by the norm of each row of the adapted weights, but {module} has rows of zeros.",
            hint="Train with use_dora=False, or leave that module out of target_modules.",
        )


def _check_ranks(config: LoraConfig, tensors: dict[str, dict[str, Tensor]]) -> None:
    """Compare ranks with tensor shapes before memory of that size is allocated."""
    for module, parts in tensors.items():
        rank = config.rank_pattern.get(get_pattern_key(config.rank_pattern.keys(), module), config.r)
        if parts["lora_A"].shape[0] != rank or parts["lora_B"].shape[1] != rank:
            raise InvalidInputError(
                f"The settings give {module} rank {rank}; its lora_A has shape {tuple(parts['lora_A'].shape)}."
            )
