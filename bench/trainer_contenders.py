"""The contenders of `bench.trainer`: each does one training run in a separate process, and prints one line of JSON."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

__all__ = ["CONTENDERS", "Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """One comparison: the same model, sequences, LoRA and tokens a pass for all."""

    model: str
    sequences: str
    per_step: int
    tokens_per_pass: int
    quantisation: str = "none"
    checkpointing: bool = False
    dtype: str = "float32"
    all_linear: bool = False

    @property
    def lora(self) -> dict[str, Any]:
        """The LoRA of all contenders, in peft's words."""
        if self.all_linear:
            return {"r": 32, "lora_alpha": 32, "target_modules": "all-linear"}
        return {"r": 16, "lora_alpha": 32, "target_modules": ["q_proj", "v_proj"]}


def ours(
    settings: Settings,
    rows: list[list[int]],
    *,
    packing: bool,
    precision: Literal["highest", "medium"] = "highest",
) -> Callable[[], Any]:
    """The trainer of this project, all tokens trained with R = 1."""
    from a3t_contracts.schemas import FineTuningJobCreate, LoraSettings, Objective, Optimisation
    from a3t_trainer.encoding.plan import StepPlan, build_units
    from a3t_trainer.encoding.sequences import Part, TokenSequence
    from a3t_trainer.training.model import load_base, with_adapter
    from a3t_trainer.training.trainer import StepDataset, TrajectoryTrainer

    optimisation = Optimisation(
        epochs=1,
        trajectories_per_step=settings.per_step,
        tokens_per_batch=settings.tokens_per_pass,
        packing=packing,
        gradient_checkpointing=settings.checkpointing,
    )
    lora = LoraSettings.model_validate(
        {
            "rank": settings.lora["r"],
            "alpha": settings.lora["lora_alpha"],
            "target_modules": settings.lora["target_modules"],
            "dropout": 0.0,
            "quantisation": settings.quantisation,
            "dtype": settings.dtype,
        }
    )
    body = FineTuningJobCreate(
        model=settings.model,
        training_file="-",
        version="bench",
        run="bench",
        round=0,
        lora=lora,
        optimisation=optimisation,
    )
    sequences = []
    for number, row in enumerate(rows):
        ids, weights = np.asarray(row, dtype=np.int64), np.ones(len(row), dtype=np.float32)
        weights[0] = 0
        parts = np.full(len(row), Part.action, dtype=np.int8)
        sequences.append(TokenSequence(str(number), str(number), ids, parts, weights, 1.0, False))
    objective = Objective(normalisation="per_token")
    plan = StepPlan.of(build_units(sequences), optimisation, 0)
    model = with_adapter(load_base(body), lora, None, 0, precision)
    dataset = StepDataset(plan, objective, optimisation, 0)
    trainer = TrajectoryTrainer(
        model, TrainingArguments(**_arguments(settings, plan.total_steps)), dataset, objective, _Silent()
    )
    return lambda: trainer.train_from(None)


def trl(settings: Settings, rows: list[list[int]], *, packing: bool) -> Callable[[], Any]:
    """TRL's SFTTrainer on the same ids; a packed row holds `tokens_per_pass` tokens, a padded pass half a step."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    mean = sum(map(len, rows)) / len(rows)
    per_pass = max(1, round(settings.tokens_per_pass / mean))
    batch = 1 if packing else per_pass
    accumulation = max(1, round(settings.per_step / per_pass))
    config = SFTConfig(
        **_arguments(settings, -1),
        num_train_epochs=1,
        per_device_train_batch_size=batch,
        packing=packing,
        gradient_accumulation_steps=accumulation,
        max_length=settings.tokens_per_pass,
        gradient_checkpointing=settings.checkpointing,
    )
    trainer = SFTTrainer(
        model=_base(settings),
        args=config,
        train_dataset=Dataset.from_dict({"input_ids": rows}),
        processing_class=AutoTokenizer.from_pretrained(settings.model),
        peft_config=LoraConfig(**settings.lora),
    )
    return trainer.train


def padded(settings: Settings, rows: list[list[int]]) -> Callable[[], Any]:
    """transformers' Trainer with padded batches, the labels of padding ignored."""
    mean = sum(map(len, rows)) / len(rows)
    per_pass = max(1, round(settings.tokens_per_pass / mean))
    arguments = TrainingArguments(
        **_arguments(settings, -1),
        num_train_epochs=1,
        per_device_train_batch_size=per_pass,
        remove_unused_columns=False,
        gradient_accumulation_steps=max(1, round(settings.per_step / per_pass)),
        gradient_checkpointing=settings.checkpointing,
    )
    model = get_peft_model(_base(settings), LoraConfig(**settings.lora))
    return Trainer(model=model, args=arguments, train_dataset=rows, data_collator=_pad).train


def _pad(rows: list[list[int]]) -> dict[str, torch.Tensor]:
    ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(r) for r in rows], batch_first=True)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones(len(r), dtype=torch.long) for r in rows], batch_first=True)
    return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, -100)}


CONTENDERS: dict[str, Callable[[Settings, list[list[int]]], Callable[[], Any]]] = {
    "ours_packed": lambda s, r: ours(s, r, packing=True),
    "ours_packed_medium": lambda s, r: ours(s, r, packing=True, precision="medium"),
    "ours_unpacked": lambda s, r: ours(s, r, packing=False),
    "trl_packed": lambda s, r: trl(s, r, packing=True),
    "trl_unpacked": lambda s, r: trl(s, r, packing=False),
    "trainer_padded": padded,
}


def _base(settings: Settings) -> Any:
    from transformers import BitsAndBytesConfig

    dtype = getattr(torch, settings.dtype)
    options: dict[str, Any] = {"dtype": dtype}
    if settings.quantisation == "nf4":
        config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
        options |= {"quantization_config": config, "device_map": {"": 0 if torch.cuda.is_available() else "cpu"}}
    return AutoModelForCausalLM.from_pretrained(settings.model, **options)


def _arguments(settings: Settings, max_steps: int) -> dict[str, Any]:
    cuda = torch.cuda.is_available()
    return {
        "output_dir": tempfile.mkdtemp(),
        "max_steps": max_steps,
        "learning_rate": 1e-4,
        "report_to": [],
        "save_strategy": "no",
        "logging_steps": 10**6,
        "disable_tqdm": True,
        "use_cpu": not cuda,
        "bf16": settings.dtype == "bfloat16",
        "lr_scheduler_type": "constant",
        "dataloader_pin_memory": cuda,
    }


class _Silent:
    def message(self, text: str, level: str = "info", **data: Any) -> None:
        """Nothing to tell."""

    def progress(self, progress: Any) -> None:
        """Nothing to tell."""


class _Memory:
    """Peak over the start: of the GPU's allocations, or of this process's resident memory, sampled."""

    def __enter__(self) -> _Memory:
        self.process, self.done = psutil.Process(), threading.Event()
        self.start = self.peak = self._now()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()
        if torch.cuda.is_available():
            self.peak = torch.cuda.max_memory_allocated()

    def _now(self) -> int:
        return int(torch.cuda.memory_allocated() if torch.cuda.is_available() else self.process.memory_info().rss)

    def _watch(self) -> None:
        while not self.done.wait(0.004):
            self.peak = max(self.peak, self._now())


def main() -> None:
    """Run the contender named on the command line with the settings on stdin."""
    settings = Settings(**json.loads(sys.stdin.read()))
    rows: list[list[int]] = json.loads(Path(settings.sequences).read_text())
    train = CONTENDERS[sys.argv[1]](settings, rows)
    tokens = sum(map(len, rows))
    cpu, started = time.process_time(), time.perf_counter()
    with _Memory() as memory:
        train()
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    result = {"tokens_per_second": tokens / seconds, "tokens_per_cpu_second": tokens / cpu, "seconds": seconds}
    result |= {"peak_over_start_mb": (memory.peak - memory.start) / 1e6, "peak_mb": memory.peak / 1e6}
    sys.stdout.write(
        "\n" + json.dumps(result | {"settings": asdict(settings), "threads": torch.get_num_threads()}) + "\n"
    )
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
