"""Does an adapter folder fit the base? Judged from its files, before anything is loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.registry import sha256_file, verify_folder
from a3t_contracts.schemas.adapter import MANIFEST_NAME, AdapterManifest

__all__ = ["BaseFacts", "check_adapter", "content_id", "read_manifest"]

CONFIG_NAME, WEIGHTS_NAME = "adapter_config.json", "adapter_model.safetensors"
_TENSOR = re.compile(r"^base_model\.model\.(?P<module>.+)\.(?P<part>lora_A|lora_B|lora_magnitude_vector)(\.weight)?$")


@dataclass(frozen=True, slots=True)
class BaseFacts:
    """What an adapter has to fit: the base's fingerprint and the (out, in) shape of each of its linear modules.

    `modules` is None where the base is out of sight (at an upstream): shapes are then the upstream's to check.
    """

    name: str
    fingerprint: str
    modules: Mapping[str, tuple[int, int]] | None


def read_manifest(folder: Path) -> AdapterManifest | None:
    """The manifest in a folder, every file compared with it; None for a plain peft folder without one."""
    path = folder / MANIFEST_NAME
    if not path.is_file():
        return None
    try:
        manifest = AdapterManifest.model_validate_json(path.read_bytes())
    except ValueError as error:
        raise InvalidInputError(f"{path} is no manifest of an adapter version: {error}") from error
    verify_folder(folder, manifest)
    return manifest


def content_id(folder: Path) -> str:
    """SHA-256 of the weights: two folders with the same are the same adapter."""
    return sha256_file(folder / WEIGHTS_NAME)


def check_adapter(folder: Path, manifest: AdapterManifest | None, base: BaseFacts) -> None:
    """Raises InvalidInputError that says what does not fit: base model, rank, target modules, a tensor's shape."""
    if manifest is not None and manifest.base_fingerprint != base.fingerprint:
        raise InvalidInputError(
            f"Adapter {manifest.version!r} was trained on another base ({manifest.base_model}) than {base.name}.",
            hint="Serve that base, or train the adapter again on this one.",
        )
    config = _config(folder)
    if manifest is not None and manifest.rank != config["r"]:
        raise InvalidInputError(f"The manifest says rank {manifest.rank}, {CONFIG_NAME} says {config['r']}.")
    shapes = _shapes(folder / WEIGHTS_NAME)
    if not shapes:
        raise InvalidInputError(f"{folder / WEIGHTS_NAME} holds no tensors.")
    for key, shape in shapes.items():
        _check_tensor(key, shape, config, base)


def _config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG_NAME
    try:
        config = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise InvalidInputError(f"{folder} is no adapter folder: it has no {CONFIG_NAME}.") from error
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"{path} cannot be read: {error}") from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA" or not isinstance(config.get("r"), int):
        raise InvalidInputError(f"{path} is not the config of a LoRA adapter.")
    if config.get("modules_to_save") or config.get("bias", "none") != "none":
        raise InvalidInputError(f"{path}: modules_to_save and trained biases are not served; train LoRA matrices only.")
    return config


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    if not path.is_file():
        raise InvalidInputError(f"The adapter folder {path.parent} lacks {path.name}.")
    try:
        with safe_open(path, framework="np") as file:
            return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InvalidInputError(f"{path} is no safetensors file: {error}") from error


def _check_tensor(key: str, shape: tuple[int, ...], config: dict[str, Any], base: BaseFacts) -> None:
    match = _TENSOR.match(key)
    if match is None:
        raise InvalidInputError(f"The adapter holds a tensor that is not LoRA's: {key}.")
    if base.modules is None:
        return
    module, part = match["module"], match["part"]
    if module not in base.modules:
        raise InvalidInputError(f"The adapter targets {module}, which {base.name} does not have.")
    out_features, in_features = base.modules[module]
    rank = config["r"] if not config.get("rank_pattern") else shape[0 if part == "lora_A" else -1]
    expected = {"lora_A": (rank, in_features), "lora_B": (out_features, rank), "lora_magnitude_vector": (out_features,)}
    if shape != expected[part]:
        raise InvalidInputError(f"{key} has shape {shape}; on {base.name} it must be {expected[part]}.")
