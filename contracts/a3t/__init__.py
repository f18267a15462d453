"""A³T from plain Python: `a3t.Client()` gives runs, trajectories, adapter versions and environments.

import a3t

client = a3t.Client()
for run in client.runs.list():
    print(run.name, run.status)
frame = client.trajectories.frame(run="demo-1")
"""

from __future__ import annotations

from a3t_contracts import __version__
from a3t_contracts.errors import A3TError, ConflictError, InvalidInputError, NotFoundError, UnavailableError
from a3t_contracts.schemas import (
    AdapterManifest,
    EnvironmentInfo,
    RunEvent,
    RunInfo,
    RunProgress,
    Step,
    Task,
    Trajectory,
    TrajectoryInfo,
)

from .client import Client

__all__ = [
    "A3TError",
    "AdapterManifest",
    "Client",
    "ConflictError",
    "EnvironmentInfo",
    "InvalidInputError",
    "NotFoundError",
    "RunEvent",
    "RunInfo",
    "RunProgress",
    "Step",
    "Task",
    "Trajectory",
    "TrajectoryInfo",
    "UnavailableError",
    "__version__",
]
