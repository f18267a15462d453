"""The file `stack.json`: the processes of `a3t up` in an A3T_HOME, with their ids and URLs."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import psutil
from pydantic import BaseModel, ValidationError

from a3t_contracts.errors import ConflictError, DeadlineError
from a3t_contracts.files import write_atomically
from a3t_contracts.stack import stack_file

__all__ = ["ProcessState", "StackState", "read_state", "stop_running_stack", "write_state"]


class ProcessState(BaseModel):
    """A process, identified by its id and its start time, because process ids are reused."""

    pid: int
    created: float
    port: int | None = None
    restarts: int = 0

    def lives(self) -> bool:
        """Return whether this process still runs."""
        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.created) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


class StackState(BaseModel):
    """Content of `run/stack.json`: the process of `a3t up`, its children and their addresses."""

    supervisor: ProcessState
    children: dict[str, ProcessState] = {}
    urls: dict[str, str] = {}
    redis_url: str = ""
    base_model: str = ""
    ready: bool = False


def read_state(home: Path) -> StackState | None:
    """Read the running stack; None if there is none, or only the file of a stack that was killed."""
    state = _last_state(home)
    return state if state is not None and state.supervisor.lives() else None


async def end_orphans(home: Path, seconds: float = 15.0) -> None:
    """Wait for at most `seconds` until the children of a killed stack have ended by themselves, then end them."""
    state = _last_state(home)
    if state is None or state.supervisor.lives():
        return
    until = time.monotonic() + seconds
    while any(child.lives() for child in state.children.values()) and time.monotonic() < until:
        await asyncio.sleep(0.1)
    for child in state.children.values():
        if child.lives():
            os.killpg(child.pid, signal.SIGKILL)


def write_state(home: Path, state: StackState) -> None:
    """Replace the file atomically. It is readable only by this user, because it has the queue's password."""
    path = stack_file(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, state.model_dump_json(indent=2), mode=0o600)


def _last_state(home: Path) -> StackState | None:
    try:
        return StackState.model_validate_json(stack_file(home).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def forget_state(home: Path) -> None:
    """Remove the file, unless it describes a running stack of another process."""
    found = read_state(home)
    if found is None or found.supervisor.pid == os.getpid():
        stack_file(home).unlink(missing_ok=True)


def refuse_second(home: Path) -> None:
    """Raise ConflictError if another process runs a stack in this home."""
    found = read_state(home)
    if found is not None and found.supervisor.pid != os.getpid():
        raise ConflictError(
            f"A stack already runs in {home} (process {found.supervisor.pid}).",
            hint="Stop it with `a3t down`, or use another A3T_HOME.",
        )


def stop_running_stack(home: Path, seconds: float = 60.0) -> bool:
    """Stop the running stack of a home; False if none runs. Raises DeadlineError if it does not end within
    `seconds`."""
    found = read_state(home)
    if found is None:
        return False
    os.kill(found.supervisor.pid, signal.SIGTERM)
    until = time.monotonic() + seconds
    members = [found.supervisor, *found.children.values()]
    while any(member.lives() for member in members):
        if time.monotonic() > until:
            raise DeadlineError(
                f"The stack (process {found.supervisor.pid}) did not end within {seconds:.0f} s.",
                hint="End the process yourself, then try again.",
            )
        time.sleep(0.1)
    return True
