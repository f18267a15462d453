"""What is done to a part of a system while a run stands still."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from a3t_contracts.registry import RegistryReader
from a3t_contracts.schemas import version_name
from tests.support.disturbed import CLOCK, SENT, TWICE

from .cells import Cell, Stop, Trip
from .holds import Standing

__all__ = ["end_faults", "prepare", "strike"]

LONG_SECONDS = 8.0
"""Longer than the leases (4 s), the deadline of a call (5 s), and the timeouts of the queue (5 s)."""
MINUTE = 60.0
_HOUR = 3600.0

GoOn = Callable[[], None]


def strike(stop: Stop, standing: Standing, go_on: GoOn) -> None:
    """Do the fault of a cell; `go_on` lets the run go on meanwhile, or after it."""
    standing.round = stop.round
    _FAULTS[stop.cell.fault](stop.cell, standing, go_on)


def _kill(cell: Cell, standing: Standing, go_on: GoOn) -> None:
    stack = standing.stack
    if cell.part == "training":
        assert standing.training is not None
        standing.training.kill()
        go_on()
        return
    for process in stack.all_of(cell.part):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    go_on()
    if cell.part == "postgres":
        time.sleep(1.0)
        stack.serve_database()


def _freeze(cell: Cell, standing: Standing, go_on: GoOn) -> None:
    if cell.part == "training":
        time.sleep(LONG_SECONDS)
        go_on()
        return
    frozen = standing.stack.all_of(cell.part)
    standing.stopped = [p for p in standing.stopped if p not in frozen]
    try:
        for process in frozen:
            process.send_signal(signal.SIGSTOP)
        go_on()
        time.sleep(LONG_SECONDS)
    finally:
        for process in frozen:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)


def _refuse(cell: Cell, standing: Standing, go_on: GoOn, seconds: float = LONG_SECONDS) -> None:
    gates = standing.stack.gates_to(cell.part)
    assert gates
    for gate in gates:
        gate.refuse()
    go_on()
    time.sleep(seconds)
    for gate in gates:
        gate.open()


def _drop(cell: Cell, standing: Standing, go_on: GoOn) -> None:
    [gate] = standing.stack.gates_to(cell.part)
    gate.drop()
    go_on()
    time.sleep(LONG_SECONDS)
    gate.open()


def _cut(cell: Cell, standing: Standing, go_on: GoOn) -> None:
    [gate] = standing.stack.gates_to(cell.part)
    before = gate.cut
    gate.cut_bodies(replies=2, requests=2)
    go_on()
    until = time.monotonic() + 30
    while gate.cut == before:
        assert time.monotonic() < until, "nothing was cut"
        time.sleep(0.02)


def _away(cell: Cell, standing: Standing, go_on: GoOn) -> None:
    _refuse(cell, standing, go_on, MINUTE)


def _fill(cell: Cell, standing: Standing, go_on: GoOn) -> None:
    """Fill the registry's own file system, and make room again after a while."""
    registry = standing.stack.home / "registry"
    assert os.path.ismount(registry)
    filler = registry / "filler"
    with contextlib.suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(b"\0" * 4096)
            file.flush()
    go_on()
    time.sleep(LONG_SECONDS)
    filler.unlink()


def _flip(cell: Cell, standing: Standing, go_on: GoOn) -> None:
    """Change a byte of the weights that are about to be loaded."""
    version = version_name(standing.run, standing.round)
    path = standing.stack.home / "registry" / version / "adapter_model.safetensors"
    assert RegistryReader(standing.stack.home / "registry").holds(version)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    go_on()


def _twice(cell: Cell, standing: Standing, go_on: GoOn) -> None:
    """Every message goes out twice since before the run; those of this phase did."""
    sent = _lines(standing.stack.hold.folder / SENT)
    assert sent > standing.sent_twice, f"no message of {cell.phase} was sent twice"
    standing.sent_twice = sent
    go_on()


def _clock(cell: Cell, standing: Standing, go_on: GoOn) -> None:
    """The clock jumps by an hour, and a worker dies, so that its leases count; then the clock stays as it is."""
    for program in ("worker", "orchestrator") if cell.part == "both" else (cell.part,):
        file = standing.stack.hold.folder / f"{CLOCK}-{program}"
        jump = -_HOUR if cell.fault.endswith("back") else _HOUR
        now = float(file.read_text()) if file.exists() else 0.0
        partial = file.with_suffix(".partial")
        partial.write_text(str(now + jump))
        partial.replace(file)
    if cell.phase != "train":
        standing.stack.process("worker").kill()
    go_on()


def prepare(trip: Trip, standing: Standing) -> None:
    """What must be so before the run begins."""
    folder = standing.stack.hold.folder
    if trip.whole == "twice":
        standing.sent_twice = _lines(folder / SENT)
        (folder / TWICE).touch()


def end_faults(standing: Standing) -> None:
    """No fault is left: clocks are right, gates open, processes run."""
    standing.stack.hold.release()
    standing.go_on()
    for gate in standing.stack.gates.values():
        gate.open()
    for file in (*standing.stack.hold.folder.glob(f"{CLOCK}-*"), standing.stack.hold.folder / TWICE):
        file.unlink(missing_ok=True)
    (standing.stack.home / "registry" / "filler").unlink(missing_ok=True)


def _lines(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


_FAULTS: dict[str, Callable[[Cell, Standing, GoOn], None]] = {
    "kill": _kill,
    "freeze": _freeze,
    "refuse": _refuse,
    "cut": _cut,
    "drop": _drop,
    "away a minute": _away,
    "full disk": _fill,
    "flipped byte": _flip,
    "twice": _twice,
    "clock back": _clock,
    "clock forward": _clock,
}
