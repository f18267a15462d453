"""TRL's trainers take two steps on our exports as they are, and AgentGym's trainer would read its file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from a3t_orchestrator.interchange.export import ExportOrder, Outcome, write_export
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


def test_agentgym_s_trainers_find_what_they_look_for(store: Store, base: tuple[str, Any], tmp_path: Path) -> None:
    """Its BCTrainer and AgentEvolTrainer read one JSON array as equal columns, mask what a human says and train
    on every other message; its evaluator takes a number off the end of `item_id`."""
    from datasets import Dataset

    write_export(store, ExportOrder(run=RUN, format="conversations"), tmp_path / "train.json")
    told = json.loads((tmp_path / "train.json").read_text(encoding="utf-8"))
    raw = Dataset.from_list(told)
    tokenizer = base[1]

    def tokenised(batch: dict[str, list[Any]]) -> dict[str, Any]:
        new: dict[str, list[list[int]]] = {"input_ids": [], "labels": []}
        for _, conversations in zip(batch["item_id"], batch["conversations"], strict=True):
            ids: list[int] = []
            labels: list[int] = []
            for message in conversations:
                human = message["from"] == "human"
                text = f"<s>[INST] {message['value']} [/INST]" if human else f" {message['value']}"
                tokens = tokenizer.encode(text, add_special_tokens=False) + ([] if human else [tokenizer.eos_token_id])
                ids += tokens
                labels += [-100] * len(tokens) if human else tokens
            new["input_ids"].append(ids)
            new["labels"].append(labels)
        return new

    rows = raw.map(tokenised, batched=True, remove_columns=raw.column_names)
    assert len(rows) == 12
    assert all(0 < sum(label >= 0 for label in row["labels"]) < len(row["labels"]) for row in rows)
    assert len({int(item["item_id"].split("_")[-1]) for item in raw}) == 4, "a number for each task"
    for item in told:
        messages = item["conversations"]
        assert [m["from"] for m in messages] == ["human", "gpt"] * (len(messages) // 2)
        assert all(m.keys() == {"from", "loss", "value"} for m in messages)
        actions = [m["value"].rsplit("Action:", 1)[1].strip() for m in messages if m["from"] == "gpt"]
        assert all(action.startswith("climb stairs") for action in actions)


def test_agentgym_finds_the_success_and_the_failure_of_a_task(store: Store, tmp_path: Path) -> None:
    """Its maker of pairs keeps one episode of each `item_id` in two files, and wants the same ids in both."""
    names: dict[str, dict[str, dict[str, Any]]] = {}
    outcomes: tuple[Outcome, ...] = ("success", "failure")
    for outcome in outcomes:
        write_export(store, ExportOrder(run=RUN, format="conversations", outcome=outcome), tmp_path / "x.json")
        rows = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
        names[outcome] = {row["item_id"]: row for row in rows}
    assert names["success"].keys() == names["failure"].keys()
    for name, success in names["success"].items():
        failure = names["failure"][name]
        assert (success["task_id"], success["conversations"][0]) == (failure["task_id"], failure["conversations"][0])
        assert success["reward"] - failure["reward"] >= 0.01
        assert {message["loss"] for message in success["conversations"]} == {None, True, False}
