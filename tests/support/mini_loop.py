"""The closed loop in miniature: generated games, a tiny random model, two rounds, the real services."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

A3T = [sys.executable, "-m", "a3t_orchestrator.cli"]


def environment(home: Path) -> dict[str, str]:
    """The process environment of a home of its own, without addresses of other services."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("A3T_")}
    return kept | {"A3T_HOME": str(home), "OMP_NUM_THREADS": "1", "COLUMNS": "120", "HF_HUB_OFFLINE": "1"}


def a3t(home: Path, *arguments: str, timeout: float = 280, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; `variables` are added to its environment."""
    return subprocess.run(
        [*A3T, *arguments],
        env=environment(home) | variables,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def make_home(home: Path, games: int = 16) -> Path:
    """Generate games in a fresh home."""
    made = a3t(home, "data", "generate", "alfworld", "--games", str(games), "--heldout", "6")
    assert made.returncode == 0, made.stdout + made.stderr
    return home


def write_recipe(path: Path, model: Path, **changes: object) -> Path:
    """A recipe that takes a minute; `changes` replace top-level sections."""
    optimisation = {"max_steps": 2, "trajectories_per_step": 4, "max_length": 8192, "threads": 1}
    lora = {"rank": 4, "alpha": 8}
    values: dict[str, object] = {
        "name": "mini",
        "environment": "alfworld",
        "base_model": str(model),
        "rounds": 2,
        "data": {"split": "generated_train", "tasks": 5, "held_out": [{"split": "generated_heldout", "tasks": 3}]},
        "round0": {"demonstrations": 3, "evaluate_base": True},
        "compose": {"samples": 2, "p": 0.5},
        "training": {
            "lora": lora,
            "optimisation": optimisation,
            "round0": {"lora": lora, "optimisation": optimisation},
        },
        "limits": {"max_steps": 20, "max_invalid": 3, "max_tokens": 10, "chunk": 8},
    }
    path.write_text(yaml.safe_dump(values | changes), encoding="utf-8")
    return path
