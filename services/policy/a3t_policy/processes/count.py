"""Chooses the number of engine processes for a machine."""

from __future__ import annotations

import math
import os
from pathlib import Path

from safetensors import SafetensorError, safe_open

from ..settings import PolicySettings

__all__ = ["engine_processes", "parameter_count", "usable_cores"]

_MOST = 4
"""Most processes if the setting is 0. Each takes about 300 MB."""


def engine_processes(settings: PolicySettings, folder: str) -> int:
    """The number of engine processes, as set. If 0 is set, it is one for each usable core, at most four, for a small
    base on a CPU, and one for other bases, which use several cores or a GPU in one process.
    """
    if settings.policy_engine_processes:
        return settings.policy_engine_processes
    if settings.policy_threads not in (None, 1) or settings.policy_quantisation != "none":
        return 1
    if not _on_cpu(settings.policy_device) or parameter_count(Path(folder)) >= settings.policy_merge_below:
        return 1
    return min(_MOST, usable_cores())


def usable_cores(mount: Path = Path("/sys/fs/cgroup")) -> int:
    """Number of cores that this process may use, by its affinity and its container's quota of processor time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = mount / "cpu.max"
    if quota.is_file():
        allowed, _, period = quota.read_text().partition(" ")
        if allowed.isdigit():
            cores = min(cores, math.ceil(int(allowed) / int(period)))
    return max(1, cores)


def _on_cpu(device: str) -> bool:
    """Whether the engine will compute on the CPU. Found out without torch, which the service itself does not need."""
    return device == "cpu" or (device == "auto" and not any(Path("/dev").glob("nvidia[0-9]*")))


def parameter_count(folder: Path) -> float:
    """Number of parameters in a folder's files; infinite if they are not on this machine or cannot be read."""
    files = sorted(folder.glob("*.safetensors"))
    try:
        return sum(map(_parameters_of, files)) if files else math.inf
    except (SafetensorError, OSError):
        return math.inf


def _parameters_of(path: Path) -> int:
    with safe_open(path, framework="np") as file:
        return sum(math.prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118
