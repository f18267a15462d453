"""The bill of materials names what the lock does not: torch, and the base image."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sbom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("uv") is None:
        pytest.skip("uv is not on the PATH")
    folder = tmp_path_factory.mktemp("sbom")
    subprocess.run([ROOT / "scripts/sbom.sh", str(folder)], check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("service", ["env", "policy", "actre", "trainer", "orchestrator"])
def test_every_image_has_its_packages_its_base_and_torch_where_it_is_installed(sbom: Path, service: str) -> None:
    parts = json.loads((sbom / f"{service}.cdx.json").read_text())["components"]
    versions = {part["name"]: part["version"] for part in parts}
    assert {"a3t-contracts", "pydantic", "python"} <= set(versions)
    assert ("torch" in versions) == (service in ("policy", "trainer"))
    assert versions["python"] == "3.11-slim"
