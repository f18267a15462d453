"""Shows a run's progress in the terminal: one line per finished phase, and a progress bar for the current one."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from a3t_contracts.schemas import FineTuningJob, JobStatus, TrainingState

from ..driver.context import PhaseState
from ..driver.record import training_state

__all__ = ["LiveProgress"]


class LiveProgress:
    """Shows a run's progress. Where the output is not a terminal, it only prints a line at the end of each phase."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=None, detail="", visible=console.is_terminal)
        self._ended: set[tuple[int, str, int]] = set()
        self._shown: tuple[int, str] | None = None

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._bar.stop()

    def phase(self, state: PhaseState) -> None:
        """Update the progress bar; print a line when the phase has ended."""
        number, phase = state.key.round, state.key.phase
        label = f"Round {number} · {phase.traits.label}"
        detail = f"{state.successes} succeeded" if phase.traits.scored else ""
        self._show((number, phase))
        self._bar.update(
            self._task,
            description=label,
            total=state.total or None,
            completed=state.done + state.lost,
            detail=f"{detail}{_eta(state)}",
        )
        end = (number, phase, state.total)
        if state.total and state.done + state.lost == state.total and end not in self._ended:
            self._ended.add(end)
            self.console.print(f"{label}: {_pass(state)}", highlight=False, soft_wrap=True)

    def job(self, number: int, job: FineTuningJob) -> None:
        """Update the progress bar of a fine-tuning job; print a line when it has ended."""
        self.training(number, training_state(job))

    def training(self, number: int, state: TrainingState) -> None:
        """Update the progress bar of a fine-tuning job that another process waits for."""
        self._show((number, "job"))
        loss = "" if state.loss is None else f"loss {state.loss:.4g}"
        eta = "" if state.eta_seconds is None else f" · {state.eta_seconds:.0f} s left"
        self._bar.update(
            self._task,
            description=f"Round {number} · training {state.version}",
            total=state.total_steps,
            completed=state.step,
            detail=f"{loss}{eta}",
        )
        end = (number, "job", state.step)
        if state.status is JobStatus.succeeded and end not in self._ended:
            self._ended.add(end)
            text = f"Round {number} · training: {state.version}, {state.step} steps"
            self.console.print(f"{text}, {loss}" if loss else text, highlight=False, soft_wrap=True)

    def note(self, number: int, message: str, level: str = "info") -> None:
        """Print a message on a separate line."""
        style = {"warn": "yellow", "error": "red"}.get(level, "")
        self.console.print(f"Round {number} · {message}", style=style, highlight=False, soft_wrap=True)

    def _show(self, what: tuple[int, str]) -> None:
        if what != self._shown:
            self._shown = what
            self._bar.reset(self._task)


def _pass(state: PhaseState) -> str:
    """Describe a finished pass of a phase: the episodes that it added and its time. If everything was done before, it
    gives the counts of the phase; if another process began the phase, the counts of the phase and the part that this
    process added."""
    made = state.done - state.done_before
    if state.done > 0 and made == 0:
        return f"{_counted(state, state.done, state.successes)} before"
    if state.resumed and state.done_before:
        return (
            f"{_counted(state, state.done, state.successes)}; {made} of them in {state.seconds:.0f} s, the rest were "
            "done before"
        )
    return f"{_counted(state, made, state.successes - state.successes_before)} in {state.seconds:.0f} s"


def _counted(state: PhaseState, episodes: int, successes: int) -> str:
    return f"{episodes} episodes" + (f", {successes} succeeded" if state.key.phase.traits.scored else "")


def _eta(state: PhaseState) -> str:
    return "" if state.eta_seconds is None else f" · {state.eta_seconds:.0f} s left"
