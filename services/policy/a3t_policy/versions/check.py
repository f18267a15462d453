"""Checks from the files of an adapter folder whether the adapter fits the base model."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from a3t_contracts.adapter_config import read_adapter_config
from a3t_contracts.errors import InvalidInputError
from a3t_contracts.registry import sha256_file, verify_folder
from a3t_contracts.safe_weights import ADAPTER_CONFIG, ADAPTER_WEIGHTS, check_adapter_files
from a3t_contracts.schemas.adapter import MANIFEST_NAME, AdapterManifest
from a3t_contracts.schemas.trajectory import PromptStyle

__all__ = ["BaseFacts", "check_adapter", "content_id", "read_manifest"]

_TENSOR = re.compile(r"^base_model\.model\.(?P<module>.+)\.(?P<part>lora_A|lora_B|lora_magnitude_vector)(\.weight)?$")


@dataclass(frozen=True, slots=True)
class BaseFacts:
    """Properties of the base that an adapter must fit: fingerprint, and (out, in) shape of each linear module.
    `modules` is None if an upstream server has the base; that server then checks shapes. `prompt` is how the base reads
    a history; it is also assumed for adapters that do not say how they were trained."""

    name: str
    fingerprint: str
    modules: Mapping[str, tuple[int, int]] | None
    prompt: PromptStyle = PromptStyle.plain


def read_manifest(folder: Path) -> AdapterManifest | None:
    """Read the manifest of a folder, and compare every file with it. Returns None for a plain peft folder, which has
    no manifest.
    """
    path = folder / MANIFEST_NAME
    if not path.is_file():
        return None
    try:
        manifest = AdapterManifest.model_validate_json(path.read_bytes())
    except ValueError as error:
        raise InvalidInputError(
            f"{path} is not the manifest of an adapter version: {error}.", hint="Publish the version again."
        ) from error
    verify_folder(folder, manifest)
    return manifest


def content_id(folder: Path, manifest: AdapterManifest | None) -> str:
    """SHA-256 over the weights, settings and manifest of a version. It does not depend on the order and layout of
    the settings' file, nor on manifest keys that older releases did not write.
    """
    digest = hashlib.sha256(sha256_file(folder / ADAPTER_WEIGHTS).encode())
    digest.update(json.dumps(json.loads((folder / ADAPTER_CONFIG).read_bytes()), sort_keys=True).encode())
    digest.update(manifest.model_dump_json(exclude={"prompt"}).encode() if manifest is not None else b"")
    return digest.hexdigest()


def check_adapter(folder: Path, manifest: AdapterManifest | None, base: BaseFacts) -> None:
    """Raise InvalidInputError if the adapter does not fit: base model, a setting, rank, target modules, the shape of a
    tensor, or files that are not safetensors."""
    if manifest is not None and manifest.base_fingerprint != base.fingerprint:
        raise InvalidInputError(
            f"Adapter {manifest.version!r} was trained on the base {manifest.base_model}, not on {base.name}.",
            hint="Serve that base, or train the adapter again on this one.",
        )
    config = read_adapter_config(folder)
    check_adapter_files(folder)
    if base.modules is None:
        _check_for_upstream(config)
    if manifest is not None and manifest.rank != config["r"]:
        raise InvalidInputError(f"The manifest says rank {manifest.rank}, {ADAPTER_CONFIG} says {config['r']}.")
    shapes = _shapes(folder / ADAPTER_WEIGHTS)
    parts: dict[str, list[str]] = {}
    for key, shape in shapes.items():
        module, part = _check_tensor(key, shape, config, base)
        parts.setdefault(module, []).append(part)
    _check_whole(parts, bool(config.get("use_dora")))


def _check_for_upstream(config: Mapping[str, Any]) -> None:
    """Refuse settings that servers such as vLLM ignore. They use one rank and one alpha for all modules."""
    for name in ("rank_pattern", "alpha_pattern", "use_dora"):
        if config.get(name):
            raise InvalidInputError(
                f"{ADAPTER_CONFIG} sets {name}, which the upstream servers of this service ignore.",
                hint="Serve the adapter with A3T_POLICY_BACKEND=local, or train it without that setting.",
            )


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    try:
        with safe_open(path, framework="np") as file:
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InvalidInputError(
            f"{path} is not a safetensors file: {error}.", hint="Save the adapter again with peft's save_pretrained(…)."
        ) from error
    if not shapes:
        raise InvalidInputError(
            f"{path} has no tensors.", hint="Save the adapter again with peft's save_pretrained(…)."
        )
    return shapes


def _check_tensor(key: str, shape: tuple[int, ...], config: dict[str, Any], base: BaseFacts) -> tuple[str, str]:
    """Return the module and the part of its adapter to which a tensor belongs. Raises InvalidInputError if it
    belongs to none.
    """
    match = _TENSOR.match(key)
    if match is None:
        raise InvalidInputError(
            f"The adapter has a tensor that is not a LoRA tensor of a linear layer: {key}.",
            hint="Train LoRA on linear layers only; if the output layer is one of them, save the adapter with "
            "save_embedding_layers=False.",
        )
    module, part = match["module"], match["part"]
    if base.modules is None:
        return module, part
    if module not in base.modules:
        raise InvalidInputError(
            f"The adapter targets {module}, which {base.name} does not have.",
            hint="Train the adapter on this base, or serve the base that it was trained on.",
        )
    out_features, in_features = base.modules[module]
    rank = config["r"] if not config.get("rank_pattern") else shape[0 if part == "lora_A" else -1]
    expected = {"lora_A": (rank, in_features), "lora_B": (out_features, rank), "lora_magnitude_vector": (out_features,)}
    if shape != expected[part]:
        raise InvalidInputError(
            f"{key} has shape {shape}; on {base.name} it must be {expected[part]}.",
            hint="Train the adapter on this base, or serve the base that it was trained on.",
        )
    return module, part


def _check_whole(parts: Mapping[str, list[str]], use_dora: bool) -> None:
    """Check that every module has each of its tensors once, and a magnitude if and only if DoRA is used."""
    wanted = ["lora_A", "lora_B", "lora_magnitude_vector"] if use_dora else ["lora_A", "lora_B"]
    for module, found in parts.items():
        if sorted(found) != wanted:
            raise InvalidInputError(
                f"The adapter has {', '.join(sorted(found))} for {module}; it must have {', '.join(wanted)}: one of "
                "them has no counterpart."
            )
