"""Measures the time and the processor time of the whole loop: `python -m bench.loop --json PATH [--against FOLDER]`.

It runs `a3t demo` in a new A3T_HOME and reports seconds after set-up, seconds by phase, episodes per second of the
phases that collect (own trial and composing), processor seconds by process, and the mean number of busy cores.
`--against` names another checkout with its own `.venv`; both run in turns, and the ratios are this checkout's figures
divided by the other's from the same run. `--set KEY=VALUE` changes the recipe of both, `--small` makes a short trial,
and `--with A3T_NAME=VALUE` is a setting for this checkout only.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.common import BenchReport, console

COLLECTING = ("rollout", "compose")
SMALL = (
    "rounds=1",
    "data.tasks=64",
    "data.held_out=[{split: generated_heldout, tasks: 32}]",
    "compose.max_failed_tasks=32",
    "training.optimisation.max_steps=60",
)
_PARTS = ("a3t_env", "a3t_policy", "a3t_actre", "a3t_trainer", "a3t_orchestrator.worker", "a3t_orchestrator", "valkey")
"""Parts of command lines by which processes are recognised, the more special ones first."""
_SAMPLE_SECONDS = 0.5


@dataclass
class Watch:
    """Processor seconds of a process and all below it, by part; processes that have ended included."""

    root: psutil.Process
    _seconds: dict[tuple[int, float], tuple[str, float]] = field(default_factory=dict)

    def sample(self) -> None:
        """Read what every process has used so far."""
        try:
            processes = [self.root, *self.root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in processes:
            try:
                key, used = (process.pid, process.create_time()), process.cpu_times()
                name = self._seconds[key][0] if key in self._seconds else _part(process)
                self._seconds[key] = name, used.user + used.system
            except psutil.Error:
                continue

    @property
    def by_part(self) -> dict[str, float]:
        """Processor seconds by part."""
        sums: Counter[str] = Counter()
        for name, seconds in self._seconds.values():
            sums[name] += seconds  # type: ignore[assignment]
        return dict(sums)


def _part(process: psutil.Process) -> str:
    """The part that a process belongs to: its own name, or that of the nearest process above it that has one."""
    for one in (process, *process.parents()):
        line = " ".join(one.cmdline())
        for name in _PARTS:
            if name in line and "cli" not in line:
                return name.removeprefix("a3t_").replace("orchestrator.", "")
        if "a3t" in line and "demo" in line:
            return "demo"
    return "other"


def run_demo(folder: Path, changes: Sequence[str], settings: Mapping[str, str]) -> dict[str, float]:
    """The figures of one `a3t demo` of a checkout with settings."""
    with tempfile.TemporaryDirectory(prefix="a3t-loop-") as home:
        command = [str(folder / ".venv" / "bin" / "a3t"), "demo", "--json"]
        command += [argument for change in changes for argument in ("--set", change)]
        variables = {name: value for name, value in os.environ.items() if not name.startswith("A3T_")}
        variables |= {"A3T_HOME": home, "HF_HUB_OFFLINE": "1", "PATH": f"{folder}/.venv/bin:{os.environ['PATH']}"}
        variables.update(settings)
        with (Path(home) / "out.json").open("wb") as out, (Path(home) / "err.txt").open("wb") as err:
            began = time.monotonic()
            process = subprocess.Popen(command, cwd=folder, env=variables, stdout=out, stderr=err)
            watch = Watch(psutil.Process(process.pid))
            ended = threading.Event()
            thread = threading.Thread(target=_watch, args=(watch, ended))
            thread.start()
            try:
                code = process.wait()
            finally:
                ended.set()
                thread.join()
                if process.poll() is None:
                    process.terminate()
                    process.wait(60)
        if code:
            raise SystemExit(f"a3t demo in {folder} failed: {(Path(home) / 'err.txt').read_text()[-3000:]}")
        report = json.loads((Path(home) / "out.json").read_text())
        seconds = time.monotonic() - began
        return figures_of(report, watch.by_part, seconds) | exploration(Path(home) / "a3t.db")


def exploration(database: Path) -> dict[str, float]:
    """Cost and gain of composing: steps in the environment, and successes per 1,000 steps."""
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT count(*), sum(success), sum(n_steps) FROM trajectories WHERE phase = 'compose'"
        episodes, successes, steps = connection.execute(query).fetchone()
    rate = 1000 * (successes or 0) / steps if steps else 0.0
    return {"composed_episodes": episodes, "composed_steps": steps or 0, "composed_successes_per_1000_steps": rate}


def _watch(watch: Watch, ended: threading.Event) -> None:
    while not ended.wait(_SAMPLE_SECONDS):
        watch.sample()


def figures_of(report: dict[str, Any], processor: dict[str, float], seconds: float) -> dict[str, float]:
    """Figures from a demo's report, processor seconds by part, and seconds of the whole command."""
    phases: Counter[str] = Counter()
    episodes = 0
    for number in report["rounds"]:
        for phase, took in number["spent"]["seconds"].items():
            phases[phase] += took
        episodes += sum(sum(number["stop_reasons"].get(phase, {}).values()) for phase in COLLECTING)
    collecting = sum(phases[phase] for phase in COLLECTING)
    solved = [_solved(number["evaluations"]) for number in report["rounds"]]
    found = {
        "seconds": seconds,
        "episodes_per_second": episodes / collecting,
        "collected_episodes": episodes,
        "busy_cores": sum(processor.values()) / seconds,
        "processor_seconds": sum(processor.values()),
        "between_phases_seconds": max(0.0, seconds - sum(phases.values())),
        "solved_first_percent": solved[0],
        "solved_last_percent": solved[-1],
    }
    found |= {f"{phase}_seconds": took for phase, took in sorted(phases.items())}
    return found | {f"{part}_processor_seconds": used for part, used in sorted(processor.items())}


def _solved(evaluations: Sequence[dict[str, Any]]) -> float:
    """Share of the held-out tasks that an agent solved, in percent."""
    tasks = sum(one["single"]["n"] for one in evaluations)
    return 100 * sum(one["single"]["successes"] for one in evaluations) / tasks if tasks else 0.0


def main() -> None:
    """Run the demos, compare, show, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the report there")
    parser.add_argument("--against", type=Path, help="folder of another checkout, set up by its own `make setup`")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each; the median counts")
    parser.add_argument("--set", action="append", default=[], dest="changes", metavar="KEY=VALUE")
    parser.add_argument("--small", action="store_true", help="a short trial: one round, few tasks and steps")
    parser.add_argument("--with", action="append", default=[], dest="settings", metavar="A3T_NAME=VALUE")
    options = parser.parse_args()
    settings = {"ours": dict(one.split("=", 1) for one in options.settings)}
    changes = [*(SMALL if options.small else ()), *options.changes]
    folders = {"ours": Path(__file__).resolve().parents[1]}
    if options.against is not None:
        folders["theirs"] = options.against.resolve()
    report = BenchReport("loop", peers={name: _commit(folder) for name, folder in folders.items()})
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in folders}
    for number in range(options.repeats):
        for name, folder in folders.items():
            runs[name].append(run_demo(folder, changes, settings.get(name, {})))
            console.print(f"{number + 1}/{options.repeats} {name}: {runs[name][-1]['seconds']:.0f} s")
    for name, made in runs.items():
        for figure in sorted({figure for one in made for figure in one}):
            report.figures[f"{name}_{figure}"] = statistics.median(one.get(figure, 0.0) for one in made)
    if "theirs" in runs:
        compared = ("seconds", "episodes_per_second", "busy_cores", "processor_seconds")
        for figure in (*compared, "composed_successes_per_1000_steps"):
            if not report.figures[f"theirs_{figure}"]:
                continue
            ratio = report.figures[f"ours_{figure}"] / report.figures[f"theirs_{figure}"]
            report.ratios[figure] = round(ratio, 3)
    report.figures["setting_changes"] = " ".join([*changes, *options.settings])
    report.show()
    report.write(options.json)


def _commit(folder: Path) -> str:
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
