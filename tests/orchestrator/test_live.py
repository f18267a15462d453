"""What a run's progress says on something that is not a terminal."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from a3t_orchestrator.cli.live import LiveProgress
from a3t_orchestrator.driver.context import PhaseState
from a3t_orchestrator.store import PhaseKey


def shown(*states: PhaseState) -> list[str]:
    console = Console(file=StringIO(), width=40)
    with LiveProgress(console) as progress:
        for state in states:
            progress.phase(state)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().rstrip().splitlines()


def test_every_wave_tells_its_own_episodes_in_its_own_time() -> None:
    key = PhaseKey("r", 1, "compose")
    assert shown(
        PhaseState(key, total=6, done=2, lost=0, successes=1, seconds=3),
        PhaseState(key, total=6, done=6, lost=0, successes=2, seconds=9),
        PhaseState(key, total=9, done=6, lost=0, successes=2, seconds=0, done_before=6, successes_before=2),
        PhaseState(key, total=9, done=9, lost=0, successes=3, seconds=4, done_before=6, successes_before=2),
    ) == [
        "Round 1 · composed episodes of failed tasks: 6 episodes, 2 succeeded in 9 s",
        "Round 1 · composed episodes of failed tasks: 3 episodes, 1 succeeded in 4 s",
    ]


def test_a_resumed_run_says_what_it_found_done() -> None:
    found = PhaseState(
        PhaseKey("r", 1, "rollout"), 600, 600, 0, successes=266, seconds=0, done_before=600, successes_before=266
    )
    assert shown(found) == ["Round 1 · own trial on the training tasks: 600 episodes, 266 succeeded before"]


def test_a_resumed_phase_counts_whole_and_says_what_is_new() -> None:
    counts = {"total": 600, "lost": 0, "done_before": 360, "successes_before": 150, "resumed": True}
    key = PhaseKey("r", 1, "rollout")
    assert shown(
        PhaseState(key, done=360, successes=150, seconds=0, **counts),  # type: ignore[arg-type]
        PhaseState(key, done=600, successes=266, seconds=9, **counts),  # type: ignore[arg-type]
    ) == [
        "Round 1 · own trial on the training tasks: 600 episodes, 266 succeeded; 240 of them in 9 s, "
        "the rest were done before"
    ]


def test_a_phase_that_lost_everything_made_nothing() -> None:
    lost = PhaseState(PhaseKey("r", 0, "evaluate"), 4, 0, 4, successes=0, seconds=5)
    assert shown(lost) == ["Round 0 · evaluation: 0 episodes, 0 succeeded in 5 s"]
