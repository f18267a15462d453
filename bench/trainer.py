"""Training throughput and peak memory against TRL's SFTTrainer (packed and not) and a plain padded Trainer.

    python -m bench.trainer --json PATH [--repeats 3] [--shape tiny|mistral-7b] [--quantisation nf4]
    python -m bench.trainer --json PATH --model smollm2 [--dtype bfloat16]

Every contender runs one epoch over the same sequences with the same model, LoRA (r 16 on q and v; with `--all-linear`
r 32 on all layers), tokens per pass and trajectories per step, in a separate process. The contenders take turns, and
the median of the repeats counts. Tokens are those of the sequences, without padding. Memory is the peak minus what was
in use before training began.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig

from a3t_contracts.base_model import resolve_base_model

from .common import BenchReport, console, peer_versions
from .shapes import SHAPES, make_model
from .trainer_contenders import CONTENDERS, Settings


def make_sequences(path: Path, count: int, vocabulary: int, limit: int) -> Path:
    """Random ids; lengths log-normal as those of ALFWorld episodes are (median 280, 95th percentile about 800)."""
    rng = random.Random(0)
    lengths = [min(limit, max(32, round(rng.lognormvariate(5.63, 0.64)))) for _ in range(count)]
    path.write_text(json.dumps([[rng.randrange(4, vocabulary) for _ in range(n)] for n in lengths]))
    return path


def measure(name: str, settings: Settings) -> dict[str, Any]:
    """One run of one contender in a process of its own."""
    command = [sys.executable, "-m", "bench.trainer_contenders", name]
    content = json.dumps({f: getattr(settings, f) for f in settings.__dataclass_fields__})
    done = subprocess.run(command, input=content, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def compare(settings: Settings, repeats: int, contenders: Sequence[str]) -> BenchReport:
    """The contenders in turn, `repeats` times."""
    report = BenchReport("trainer", peers=peer_versions("trl", "transformers", "peft", "torch", "accelerate"))
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in contenders}
    for number in range(repeats):
        for name in contenders:
            runs[name].append(measure(name, settings))
            console.print(f"{number + 1}/{repeats} {name}: {runs[name][-1]['tokens_per_second']:,.0f} tokens/s")
    for name, results in runs.items():
        for figure in ("tokens_per_second", "tokens_per_cpu_second", "peak_over_start_mb", "peak_mb"):
            report.figures[f"{name}_{figure}"] = statistics.median(r[figure] for r in results)
    for ours, peer in [
        ("ours_packed", "trl_unpacked"),
        ("ours_packed", "trl_packed"),
        ("ours_packed_medium", "ours_packed"),
        ("ours_packed_medium", "trl_unpacked"),
        ("ours_unpacked", "trl_unpacked"),
        ("ours_packed", "trainer_padded"),
    ]:
        if not {ours, peer} <= runs.keys():
            continue
        for figure in ("tokens_per_second", "tokens_per_cpu_second", "peak_over_start_mb"):
            ratio = report.figures[f"{ours}_{figure}"] / report.figures[f"{peer}_{figure}"]
            report.ratios[f"{ours}/{peer} {figure}"] = round(ratio, 3)
    return report


def _base(options: argparse.Namespace, folder: Path) -> tuple[Path, int]:
    """The folder of the model that all train, and the number of its tokens."""
    if options.model is None:
        return make_model(folder / "model", options.shape), int(SHAPES[options.shape]["vocab_size"])
    model = resolve_base_model(options.model)
    return Path(model), int(AutoConfig.from_pretrained(model).vocab_size)


def main() -> None:
    """Parse the command line, measure, show, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--shape", choices=SHAPES, default="tiny", help="random weights of this shape (default: tiny)")
    what.add_argument("--model", help="measure this base instead: a name as in `a3t models list`, a folder or a hub id")
    usual = "bfloat16" if torch.cuda.is_available() else "float32"
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default=usual, help="of all contenders")
    parser.add_argument("--quantisation", choices=["none", "nf4"], default="none")
    parser.add_argument("--trajectories", type=int, default=192)
    parser.add_argument("--per-step", type=int, default=16)
    parser.add_argument("--tokens-per-pass", type=int, default=4096)
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=list(CONTENDERS))
    parser.add_argument(
        "--all-linear", action="store_true", help="LoRA of rank 32 on all layers, as in the recipes of tiny models"
    )
    parser.add_argument("--checkpointing", action="store_true", help="gradient checkpointing for all")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, vocabulary = _base(options, folder)
        sequences = make_sequences(folder / "sequences.json", options.trajectories, vocabulary, options.tokens_per_pass)
        settings = Settings(
            str(model),
            str(sequences),
            options.per_step,
            options.tokens_per_pass,
            options.quantisation,
            options.checkpointing,
            options.dtype,
            options.all_linear,
        )
        report = compare(settings, options.repeats, options.contenders)
    options.shape = None if options.model else options.shape
    report.figures |= {f"setting_{k}": str(v) for k, v in vars(options).items() if k != "json"}
    report.show()
    report.write(options.json)


if __name__ == "__main__":
    main()
