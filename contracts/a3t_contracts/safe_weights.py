"""Makes sure that weights come from safetensors files, because reading a pickle can run code. The checks read only file
names and headers."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from .errors import InvalidInputError

__all__ = ["ADAPTER_CONFIG", "ADAPTER_WEIGHTS", "check_adapter_files", "check_base_files", "check_safetensors"]

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".npz"})
_LARGEST_HEADER = 100_000_000
"""Largest header in bytes that the safetensors format allows."""


def check_adapter_files(folder: Path) -> None:
    """Raise InvalidInputError where the weights of an adapter folder are missing, or any file in it is a pickle."""
    pickles = _pickles(folder)
    if pickles:
        raise InvalidInputError(
            f"The adapter folder {folder} holds {pickles[0]}, which is a pickle: reading it can run code. "
            "Weights are taken from safetensors files only.",
            hint=f"Save the adapter with peft's save_pretrained(…), which writes {ADAPTER_WEIGHTS}, and remove "
            f"{pickles[0]}.",
        )
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        if not (folder / name).is_file():
            raise InvalidInputError(
                f"The adapter folder {folder} lacks {name}.",
                hint="Name the folder that peft's save_pretrained(…) wrote.",
            )
    check_safetensors(folder / ADAPTER_WEIGHTS)


def check_base_files(model: str) -> None:
    """Raise InvalidInputError where a base model's folder has no safetensors weights, or its index names other files.

    Pickles next to safetensors weights are never read and do no harm. A hub id is not checked, because its files are
    not here yet: load it with `use_safetensors=True`.
    """
    folder = Path(model)
    if not folder.is_dir():
        return
    if (folder / ADAPTER_CONFIG).exists():
        raise InvalidInputError(
            f"{folder} is an adapter (it has {ADAPTER_CONFIG}), not a base model.",
            hint="Name the base model; adapters are loaded on it as versions.",
        )
    shards = _shards(folder) or [path.name for path in sorted(folder.glob("*.safetensors"))]
    if not shards:
        found = next(iter(_pickles(folder)), None)
        reason = f"its weights are a pickle ({found}): reading one can run code" if found else "it has no weights"
        raise InvalidInputError(
            f"The base model {folder} is not loaded: {reason}. Weights are taken from safetensors files only.",
            hint="If you trust the file, convert it: load the model with transformers and save it again with "
            "save_pretrained(…).",
        )
    for shard in shards:
        check_safetensors(folder / shard)


def check_safetensors(path: Path) -> None:
    """Raise InvalidInputError where a file does not begin with the header of the safetensors format."""
    if not path.is_file():
        raise InvalidInputError(f"The weights file {path} is missing.", hint="Download or save the model again.")
    size = path.stat().st_size
    with path.open("rb") as file:
        prefix = file.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else size
        header = file.read(length) if length <= min(size - 8, _LARGEST_HEADER) else b""
    try:
        whole = isinstance(json.loads(header), dict)
    except (ValueError, RecursionError):
        whole = False
    if not whole:
        raise InvalidInputError(
            f"{path} is not a safetensors file, although its name says so.",
            hint="Save the weights again with save_pretrained(…); pickles are not read.",
        )


def _pickles(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix.lower() in _PICKLES)


def _shards(folder: Path) -> list[str]:
    """List the files that the index of a split model names. Each must be a safetensors file inside the folder."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return []
    try:
        shards = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
        strays = [name for name in shards if Path(name).name != name or Path(name).suffix != ".safetensors"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInputError(
            f"{index} is not an index of safetensors files: {error!r}.", hint="Download or save the model again."
        ) from error
    if strays:
        raise InvalidInputError(
            f"{index} names {strays[0]}, which is not a safetensors file in its folder.",
            hint="Save the model again with save_pretrained(…); pickles are not read.",
        )
    return shards
