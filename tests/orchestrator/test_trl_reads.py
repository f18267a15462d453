"""TRL's trainers take two steps on our exports as they are, and AgentGym's trainer would read its file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from a3t_orchestrator.interchange.export import ExportOrder, write_export
from a3t_orchestrator.store import Store
from tests.support.episodes import RUN, store_with_run
from tests.support.tiny_model import make_tiny_model

TEMPLATE = (
    "{% for m in messages %}{{ m['role'] + ': ' }}{% if m['role'] == 'assistant' %}{% generation %}"
    "{{ m['content'] + '</s>' }}{% endgeneration %}{% else %}{{ m['content'] }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = store_with_run(f"sqlite:///{tmp_path_factory.mktemp('home') / 'a3t.db'}")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    from transformers import AutoTokenizer

    folder = make_tiny_model(tmp_path_factory.mktemp("model"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return str(folder), tokenizer


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("messages", "sft.jsonl"),
        ("sharegpt", "sft.json"),
        ("dpo", "dpo.parquet"),
        ("kto", "kto"),
    ],
)
def test_trl_trains_on_an_export_as_it_is(
    store: Store, base: tuple[str, Any], tmp_path: Path, name: str, file: str
) -> None:
    import torch
    import trl
    from datasets import load_dataset

    write_export(store, ExportOrder(run=RUN, format=name), tmp_path / file)
    if "." in file:
        kind = "parquet" if file.endswith("parquet") else "json"
        data = load_dataset(kind, data_files=str(tmp_path / file), split="train", cache_dir=str(tmp_path / "cache"))
    else:
        data = load_dataset(str(tmp_path / file), split="train", cache_dir=str(tmp_path / "cache"))
    stem = name.upper() if name in ("dpo", "kto") else "SFT"
    settings = {"assistant_only_loss": True} if name == "messages" else {}
    arguments = getattr(trl, f"{stem}Config")(
        output_dir=str(tmp_path / "out"),
        max_steps=2,
        per_device_train_batch_size=2,
        use_cpu=True,
        bf16=False,
        report_to=[],
        logging_steps=1,
        save_strategy="no",
        **settings,
    )
    model, tokenizer = base
    trainer = getattr(trl, f"{stem}Trainer")(
        model=model, args=arguments, train_dataset=data, processing_class=tokenizer
    )
    before = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    losses = [entry["loss"] for entry in _trained(trainer) if "loss" in entry]
    assert len(losses) == 2
    assert all(torch.isfinite(torch.tensor(losses)))
    assert any(not torch.equal(before[k], v) for k, v in trainer.model.state_dict().items())


def _trained(trainer: Any) -> list[dict[str, float]]:
    trainer.train()
    return list(trainer.state.log_history)


def test_agentgym_s_trainer_finds_what_it_looks_for(store: Store, base: tuple[str, Any], tmp_path: Path) -> None:
    """Its BCTrainer reads one JSON array, masks what a human says, and takes a number off the end of `item_id`."""
    from datasets import Dataset

    write_export(store, ExportOrder(run=RUN, format="conversations"), tmp_path / "train.json")
    raw = Dataset.from_list(json.loads((tmp_path / "train.json").read_text(encoding="utf-8")))
    tokenizer = base[1]

    def tokenised(item: dict[str, Any]) -> dict[str, Any]:
        ids: list[int] = []
        labels: list[int] = []
        for message in item["conversations"]:
            human = message["from"] == "human"
            text = f"<s>[INST] {message['value']} [/INST]" if human else f" {message['value']}"
            new = tokenizer.encode(text, add_special_tokens=False) + ([] if human else [tokenizer.eos_token_id])
            ids += new
            labels += [-100] * len(new) if human else new
        return {"input_ids": ids, "labels": labels}

    rows = raw.map(tokenised, remove_columns=raw.column_names)
    assert len(rows) == 12
    assert all(0 < sum(label >= 0 for label in row["labels"]) < len(row["labels"]) for row in rows)
    assert [int(item["item_id"].split("_")[-1]) for item in raw] == list(range(12))
    assert {m["from"] for item in raw for m in item["conversations"]} == {"human", "gpt"}
