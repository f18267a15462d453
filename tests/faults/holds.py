"""Waits until a run of a stack stands still in the middle of a phase, and lets it go on."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil

from a3t_contracts.schemas import RunStatus
from a3t_orchestrator.store import get_job, get_run
from tests.support.fault_stack import FaultStack
from tests.support.rooms import Wish

from .cells import Stop

__all__ = ["Standing", "jobs_of"]

_PATIENCE = 90.0


@dataclass
class Standing:
    """A run that stands still in one phase after the other.

    Phases that play are held by the rooms. Training is held by stopping its process, and the change of versions by
    stopping the policy service once training has ended.
    """

    stack: FaultStack
    run: str
    training: psutil.Process | None = None
    stopped: list[psutil.Process] = field(default_factory=list)
    sent_twice: int = 0
    round: int = 0

    def ask(self, stop: Stop | None) -> None:
        """Let the run go on from where it stands to there, or to its end."""
        if stop is None or stop.cell.phase in ("train", "go_live"):
            self.stack.hold.release()
        else:
            self.stack.hold.ask(Wish(self.stack.store.url, stop.round, stop.cell.phase, run=self.run))
        self.go_on()

    def go_on(self) -> None:
        """Let every stopped process run again."""
        for process in self.stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)
        self.stopped.clear()

    def wait(self, stop: Stop) -> None:
        """Until the run stands still there."""
        phase, number = stop.cell.phase, stop.round
        if phase not in ("train", "go_live"):
            self._until(lambda: self.stack.hold.holds, f"{phase} {number}")
            return
        self._until(lambda: self._training(number), f"training {number}", pause=0.003)
        if phase == "go_live":
            self._stop(self.stack.process("policy"))
            assert self.training is not None
            self.training.send_signal(signal.SIGCONT)
            self._until(lambda: self._trained(number), "the end of training")

    def ended(self, seconds: float) -> str:
        """Wait for the end of the run; its status."""
        self._until(lambda: self._status() not in (RunStatus.queued, RunStatus.running), "the end", 0.2, seconds)
        return self._status()

    def _until(self, met: Callable[[], bool], what: str, pause: float = 0.05, seconds: float = _PATIENCE) -> None:
        until, looked = time.monotonic() + seconds, 0.0
        while not met():
            if what != "the end" and time.monotonic() - looked > 1.0:
                looked, status = time.monotonic(), self._status()
                assert status in (RunStatus.queued, RunStatus.running), f"{status} before {what}: {self.why()}"
            assert time.monotonic() < until, f"no {what} within {seconds:.0f} s: {self.why()}"
            time.sleep(pause)

    def _status(self) -> str:
        return self.stack.look(lambda session: get_run(session, self.run).status)

    def why(self) -> str:
        """What the run says of itself."""
        row = self.stack.look(lambda session: get_run(session, self.run))
        return f"{row.status}, {row.phase} of round {row.round}: {row.error}"

    def _training(self, number: int) -> bool:
        """Stop the process of the round's job at its beginning."""
        for job in jobs_of(self.stack.process("trainer")):
            self._stop(job)
            row = self.stack.look(lambda session: get_run(session, self.run))
            if (row.phase, row.round) == ("train", number):
                self.training = job
                return True
            self.go_on()
            psutil.wait_procs([job], timeout=60)
        return False

    def _trained(self, number: int) -> bool:
        row = self.stack.look(lambda session: get_job(session, self.run, number))
        return row is not None and row.status == "succeeded"

    def _stop(self, process: psutil.Process) -> None:
        process.send_signal(signal.SIGSTOP)
        self.stopped.append(process)


def jobs_of(trainer: psutil.Process) -> list[psutil.Process]:
    """The processes of running jobs: children of the trainer's own children."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [job for warm in trainer.children() for job in warm.children()]
    return []
