"""The memory that this process may still use, within the limits of the machine and the container."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ["free_memory"]


@dataclass(frozen=True, slots=True)
class _ControlGroup:
    """The files in which a version of Linux control groups has its figures, relative to the mount point."""

    limit: str
    usage: str
    statistics: str
    reclaimable: str
    """Line of the statistics that counts cached files, which Linux drops before it kills a process."""


_LAYOUTS = (
    _ControlGroup("memory.max", "memory.current", "memory.stat", "inactive_file"),
    _ControlGroup(
        "memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"
    ),
)


def free_memory(mount: Path = Path("/sys/fs/cgroup")) -> int:
    """Number of free bytes of memory: of the machine, or of the container if that is less."""
    free = psutil.virtual_memory().available
    for layout in _LAYOUTS:
        limit = mount / layout.limit
        if limit.is_file() and (text := limit.read_text().strip()).isdigit():  # "max" if there is no limit
            free = min(free, max(0, int(text) - _used(mount, layout)))
    return free


def _used(mount: Path, layout: _ControlGroup) -> int:
    lines = (line.split() for line in (mount / layout.statistics).read_text().splitlines())
    cached = next((int(value) for name, value in lines if name == layout.reclaimable), 0)
    return int((mount / layout.usage).read_text()) - cached
