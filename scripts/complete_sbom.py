"""Adds to a CycloneDX file what is not in uv.lock: torch, if the Dockerfile installs it, and the base image.

Usage: complete_sbom.py SBOM.cdx.json DOCKERFILE
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

_INSTALLER = Path(__file__).parent / "install_torch.sh"


def outside_the_lock(dockerfile: str) -> list[dict[str, Any]]:
    """Components of an image that its Dockerfile names."""
    image = re.search(r"^ARG PYTHON_IMAGE=(\S+):(\S+)$", dockerfile, re.M)
    if image is None:
        raise SystemExit("The Dockerfile has no ARG PYTHON_IMAGE=NAME:TAG.")
    name, tag = image.groups()
    base = {"type": "container", "bom-ref": f"{name}:{tag}", "name": name, "version": tag}
    base["purl"] = f"pkg:docker/{name}@{tag}"
    return [base, _torch()] if _INSTALLER.name in dockerfile else [base]


def _torch() -> dict[str, Any]:
    pinned = re.search(r"TORCH_VERSION:-([\d.]+)", _INSTALLER.read_text(encoding="utf-8"))
    if pinned is None:
        raise SystemExit(f"{_INSTALLER} pins no version of torch.")
    version = pinned[1]
    purl = f"pkg:pypi/torch@{version}"
    return {"type": "library", "bom-ref": f"torch@{version}", "name": "torch", "version": version, "purl": purl}


def main(sbom: Path, dockerfile: Path) -> None:
    """Add the components to the file."""
    content = json.loads(sbom.read_text(encoding="utf-8"))
    content["components"] += outside_the_lock(dockerfile.read_text(encoding="utf-8"))
    sbom.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
