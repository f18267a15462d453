"""AgentGym's own trainer reads our export: `python -m bench.agentgym_reads --agentgym FOLDER --file train.json`.

FOLDER is a checkout of WooooDyy/AgentGym. Nothing of it lies here: its `BCTrainer` is imported from there, and its own
methods load the file, tokenise it, make batches, and train one epoch of a tiny model with random weights. It wants a
name of `transformers` that newer releases dropped (`AdamW`), and gets PyTorch's, which is the same. `jsonlines` and
`wandb`, which it imports, must be installed.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.common import BenchReport, peer_versions
from tests.support.tiny_model import make_tiny_model

ARGUMENTS = {
    "seed": 0,
    "max_input_length": 4096,
    "batch_size": 2,
    "eval_batch_size": 2,
    "num_workers": 0,
    "gradient_accumulation_steps": 1,
    "n_epochs": 1,
    "warmup_step": 0,
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "wandb_log": False,
}


def their_trainer(checkout: Path) -> Any:
    """The class, from the checkout."""
    import torch
    import transformers

    if not (checkout / "agentenv" / "agentenv" / "trainer" / "bc_trainer.py").exists():
        raise SystemExit(f"{checkout} is no checkout of WooooDyy/AgentGym.")
    sys.path.insert(0, str(checkout / "agentenv"))
    # A lazy module asks for the attribute first: set, it is there.
    vars(transformers).setdefault("AdamW", torch.optim.AdamW)
    return importlib.import_module("agentenv.trainer.bc_trainer").BCTrainer


def read_by(trainer_class: Any, file: Path, folder: Path) -> dict[str, Any]:
    """What AgentGym's trainer makes of a file, and what one epoch on it does."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = make_tiny_model(folder / "base")
    agent = SimpleNamespace(
        tokenizer=AutoTokenizer.from_pretrained(base), model=AutoModelForCausalLM.from_pretrained(base)
    )
    trainer = trainer_class.__new__(trainer_class)
    trainer.agent, trainer.tasks = agent, []
    files = {f"{part}_file": str(file) for part in ("train", "inference", "test")}
    trainer.args = ARGUMENTS | files
    trainer.create_accelerator()
    trainer.set_seed()
    trainer.setup_tokenizer()
    trainer.get_raw_dataset()
    trainer.get_train_dataloader()
    trainer.get_inference_test_dataloader()
    numbers = [number for batch in trainer.test_dataloader for number in batch["data_idxs"]]
    rows = list(trainer.train_dataset)
    trainer.init_train_stuff()
    before = [one.detach().clone() for one in agent.model.parameters()]
    result, steps = trainer.train_one_epoch(1, 0)
    after = list(trainer.agent.model.parameters())
    return {
        "episodes": len(rows),
        "task_numbers": f"{min(numbers)} to {max(numbers)}",
        "tokens": sum(len(row["input_ids"]) for row in rows),
        "trained_tokens": sum(label >= 0 for row in rows for label in row["labels"]),
        "optimiser_steps": steps,
        "loss": float(result["loss"]),
        "weights_changed": any(not torch.equal(a, b) for a, b in zip(before, after, strict=True)),
    }


def commit_of(checkout: Path) -> str:
    """The commit of the checkout; "unknown" where it has no history."""
    told = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or "unknown"


def main(given: Sequence[str] | None = None) -> None:
    """Read, print, write."""
    parser = argparse.ArgumentParser(prog="python -m bench.agentgym_reads", description=__doc__)
    parser.add_argument("--agentgym", type=Path, required=True, help="checkout of WooooDyy/AgentGym")
    parser.add_argument("--file", type=Path, required=True, help="a .json of `a3t export`, format conversations")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    arguments = parser.parse_args(given)
    report = BenchReport("agentgym_reads", peer_versions("transformers", "datasets", "accelerate"))
    report.peers["AgentGym"] = commit_of(arguments.agentgym)
    with tempfile.TemporaryDirectory(prefix="a3t-agentgym-") as folder:
        report.figures |= read_by(their_trainer(arguments.agentgym), arguments.file, Path(folder))
    report.show()
    report.write(arguments.json)


if __name__ == "__main__":
    main()
