"""Adapter versions for tests of the registry, where what the weights say does not matter."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from a3t_contracts.registry import sha256_file
from a3t_contracts.schemas import AdapterFile, AdapterManifest

WEIGHTS = b"\x02\0\0\0\0\0\0\0{}"
"""The shortest safetensors file: it holds no tensor."""


def publish_files(root: Path, version: str, weights: bytes = WEIGHTS, file: str = "adapter_model.safetensors") -> Path:
    """A version of two files and a manifest that tells the truth about them."""
    folder = root / version
    folder.mkdir(parents=True)
    path = folder / Path(file).name
    path.write_bytes(weights)
    config = folder / "adapter_config.json"
    config.write_text("{}")
    manifest = AdapterManifest(
        version=version,
        run="r",
        round=1,
        base_model="b",
        base_fingerprint="f",
        rank=4,
        created_at=datetime.now(UTC),
        files={
            file: AdapterFile(sha256=sha256_file(path), size=len(weights)),
            config.name: AdapterFile(sha256=sha256_file(config), size=2),
        },
    )
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return folder
