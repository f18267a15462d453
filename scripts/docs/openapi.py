"""Writes the OpenAPI description of every service, taken from its app without starting a server.

`python scripts/docs/openapi.py FOLDER` writes one JSON file for each service.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["SERVICES", "openapi_documents", "write"]

SERVICES = {
    "env": ("a3t_env", "EnvSettings"),
    "policy": ("a3t_policy", "PolicySettings"),
    "actre": ("a3t_actre", "ActReSettings"),
    "trainer": ("a3t_trainer", "TrainerSettings"),
    "orchestrator": ("a3t_orchestrator", "OrchestratorSettings"),
}
"""Service → its package and the class of its settings."""


def openapi_documents() -> dict[str, dict[str, Any]]:
    """Service → OpenAPI document. The apps are built in an empty A3T_HOME with default settings."""
    with _empty_home():
        return {name: _document(package, settings) for name, (package, settings) in SERVICES.items()}


def write(folder: Path) -> None:
    """Write one JSON file for each service."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in openapi_documents().items():
        text = json.dumps(document, indent=2, ensure_ascii=False)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def _document(package: str, settings: str) -> dict[str, Any]:
    made = getattr(importlib.import_module(f"{package}.settings"), settings)()
    document: dict[str, Any] = importlib.import_module(f"{package}.app").create_app(made).openapi()
    return document


@contextmanager
def _empty_home() -> Iterator[None]:
    """Hide the settings of the caller's environment from the apps, and give them an empty A3T_HOME."""
    before = {key: value for key, value in os.environ.items() if key.startswith("A3T_")}
    with tempfile.TemporaryDirectory() as home:
        for key in before:
            del os.environ[key]
        os.environ["A3T_HOME"] = home
        try:
            yield
        finally:
            del os.environ["A3T_HOME"]
            os.environ.update(before)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
