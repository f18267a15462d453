"""Compares the native ALFWorld engine with the official one on the same games and actions, in one run.

`python -m bench.alfworld_engine --json PATH [--games 3] [--steps 30]`

Both engines run alone, one after the other, in this process, measured by its CPU clock and wall clock. Ratios are of
wall clock times, as medians over the games. An episode start is everything from a game file on disk to the first
observation with its admissible commands. A "warm" start is the next start of the same game, for which each engine may
use what it kept: the official one parses and grounds the problem again, ours keeps the parsed game. The ratio
`episode_starts` is of warm starts, which rollouts repeat; `episode_starts_cold` is of first starts.
"""

from __future__ import annotations

import hashlib
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from a3t_contracts.cli import guarded
from a3t_env.alfworld.cache import GameCache
from a3t_env.alfworld.generator import generate_games
from a3t_env.alfworld.native import NativeEngine
from bench.common import BenchReport, console, peer_versions

_REPEATS = 200
"""The native engine is timed over this number of repetitions of what the official engine does once."""


def main(
    json: Annotated[Path | None, typer.Option(help="Write the report here.")] = None,
    games: Annotated[int, typer.Option(min=1, help="Number of generated games.")] = 3,
    steps: Annotated[int, typer.Option(min=1, help="Number of steps in each game.")] = 30,
) -> None:
    """Measure both engines and print figures and ratios."""
    report = BenchReport("alfworld_engine", peers=peer_versions("alfworld", "textworld", "fast-downward-textworld"))
    with tempfile.TemporaryDirectory() as folder:
        paths = _games(Path(folder), games)
        ours = [_native(path, steps) for path in paths]
        theirs = [_official(path, commands) for path, (_, commands, _) in zip(paths, ours, strict=True)]
    assert [texts for _, _, texts in ours] == [texts for _, texts in theirs], "the engines differ"
    _fill(report, [figures for figures, _, _ in ours], [figures for figures, _ in theirs])
    report.figures |= {"games": games, "steps_per_game": steps, "load_1min_at_end": _load()}
    report.show()
    report.write(json)
    console.print("Both engines showed the same texts and commands at every step.")


def _games(folder: Path, count: int) -> list[Path]:
    paths = []
    for number, game in enumerate(generate_games("generated_train", count, seed=0)):
        paths.append(folder / f"{number}.tw-pddl")
        paths[-1].write_bytes(game.game)
    return paths


def _native(path: Path, steps: int) -> tuple[dict[str, float], list[str], list[Any]]:
    """Return the seconds of the native engine, the commands of a random walk, and everything that the engine showed."""
    commands, shown = _walk(path, steps)

    def cold() -> None:
        engine = NativeEngine(GameCache().get(path, sha256))
        engine.start()
        engine.actions()

    def warm() -> None:
        engine = NativeEngine(cache.get(path, sha256))
        engine.start()
        engine.actions()

    def walk() -> None:
        for command in commands:
            player.step(command)
            player.actions()

    cache = GameCache()
    sha256 = _sha256(path)
    player = NativeEngine(cache.get(path, sha256))
    player.start()
    figures = {"cold": _timed(cold, 20), "warm": _timed(warm), "step": _timed(walk, 20) / steps}
    return figures, commands, shown


def _walk(path: Path, steps: int) -> tuple[list[str], list[Any]]:
    engine, rng = NativeEngine(GameCache().get(path, _sha256(path))), random.Random(1)
    shown: list[Any] = [(engine.start(), engine.actions())]
    commands = []
    for _ in range(steps):
        commands.append(rng.choice(engine.actions()))
        shown.append((engine.step(commands[-1])[0], engine.actions()))
    return commands, shown


def _official(path: Path, commands: list[str]) -> tuple[dict[str, float], list[Any]]:
    """Return the seconds of the official engine for the same commands, and everything that it showed."""
    import textworld
    from alfworld.agents.environment.alfred_tw_env import AlfredDemangler

    infos = textworld.EnvInfos(won=True, admissible_commands=True)
    began = time.perf_counter()
    env = textworld.start(str(path), request_infos=infos, wrappers=[AlfredDemangler(shuffle=False)])
    env.reset()
    cold = time.perf_counter() - began
    began = time.perf_counter()
    state = env.reset()
    warm = time.perf_counter() - began
    shown = [(state["feedback"], state["admissible_commands"])]
    began = time.perf_counter()
    for command in commands:
        state, _, _ = env.step(command)
        shown.append((state["feedback"], state["admissible_commands"]))
    step = (time.perf_counter() - began) / len(commands)
    return {"cold": cold, "warm": warm, "step": step}, shown


def _timed(action: Callable[[], None], repeats: int = _REPEATS) -> float:
    """Seconds of one repetition."""
    began = time.perf_counter()
    for _ in range(repeats):
        action()
    return (time.perf_counter() - began) / repeats


def _fill(report: BenchReport, ours: list[dict[str, float]], theirs: list[dict[str, float]]) -> None:
    for name, key in (("steps_per_second", "step"), ("episode_starts", "warm"), ("episode_starts_cold", "cold")):
        native = statistics.median(f[key] for f in ours)
        official = statistics.median(f[key] for f in theirs)
        report.figures[f"native_{name}" + ("" if key == "step" else "_per_second")] = 1 / native
        report.figures[f"official_{name}" + ("" if key == "step" else "_per_second")] = 1 / official
        report.ratios[name] = official / native


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _load() -> float:
    return float(Path("/proc/loadavg").read_text().split()[0])


if __name__ == "__main__":
    raise SystemExit(guarded(lambda: typer.run(main)))
