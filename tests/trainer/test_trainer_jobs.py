"""Whole jobs, in this process: what is published is what was trained, for every kind of adapter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from a3t_contracts.errors import A3TError, ConflictError, InvalidInputError, NotFoundError
from a3t_contracts.nf4 import keep_compute_dtype
from a3t_contracts.registry import RegistryReader, verify_folder
from a3t_contracts.schemas import Objective
from a3t_contracts.schemas.trajectory import PromptStyle, Trajectory
from a3t_trainer.encoding.sequences import encode_all
from a3t_trainer.training.averaging import average, averaging_gap, snapshot_path, snapshot_steps
from a3t_trainer.training.model import load_tokenizer
from tests.trainer.conftest import make_trajectory
from tests.trainer.jobs_support import request, run


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def plain_logprobs(model: Any, base: Path, trajectories: list[Trajectory]) -> list[Tensor]:
    """Token log-probabilities by an ordinary forward pass of one trajectory at a time."""
    sequences = encode_all(load_tokenizer(str(base)), [(t, 1.0) for t in trajectories], Objective(), 4096)
    values = []
    for sequence in sequences:
        ids = torch.from_numpy(sequence.ids)[None]
        with torch.no_grad():
            logits = model(input_ids=ids).logits
        values.append(logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0])
    return values


def loaded(base: Path, adapter: Path) -> Any:
    """As any user of peft loads it."""
    return PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(adapter)).eval()


def trained_nll(base: Path, adapter: Path, trajectories: list[Trajectory]) -> float:
    return -float(torch.cat(plain_logprobs(loaded(base, adapter), base, trajectories)).mean())


VARIANTS: dict[str, dict[str, Any]] = {
    "paper": {"rank": 16, "alpha": 32},
    "dora": {"use_dora": True, "target_modules": "all-linear"},
    "rslora": {"use_rslora": True, "dropout": 0.1},
    "bfloat16": {"dtype": "bfloat16"},
    "nf4": {"quantisation": "nf4"},
    "nf4 bfloat16": {"quantisation": "nf4", "dtype": "bfloat16"},
    "nf4 double": {"quantisation": "nf4", "double_quantisation": True, "target_modules": "all-linear"},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_kind_of_adapter_trains_and_loads_with_plain_peft(
    tiny_model: Path, mixed: list[Trajectory], tmp_path: Path, variant: str
) -> None:
    successes = [t for t in mixed if t.success]
    optimisation = {
        "epochs": 3,
        "learning_rate": 1e-2,
        "optimizer": "paged_adamw_32bit",
        "gradient_checkpointing": variant in ("nf4", "nf4 bfloat16"),
    }
    body = request(tiny_model, lora=VARIANTS[variant], optimisation=optimisation)
    dtypes: set[torch.dtype] = set()

    def look(trainer: Any) -> None:
        dtypes.update(p.dtype for n, p in trainer.model.named_parameters() if "norm" in n or "embed" in n)

    manifest, recorder = run(tmp_path, body, mixed, inspect=look)
    assert dtypes == {torch.bfloat16 if body.lora.dtype == "bfloat16" else torch.float32}
    folder, _ = RegistryReader(tmp_path / "registry").fetch("v0")
    verify_folder(folder, manifest)
    before = -float(
        torch.cat(plain_logprobs(AutoModelForCausalLM.from_pretrained(tiny_model), tiny_model, successes)).mean()
    )
    assert trained_nll(tiny_model, folder, successes) < before - 0.05
    assert manifest.rank == body.lora.rank
    assert manifest.prompt is PromptStyle.plain
    assert recorder.readings[-1].loss_parts.keys() >= {"success", "observation", "thought", "action"}


@pytest.mark.parametrize("quantisation", ["none", "nf4"])
def test_the_published_adapter_gives_the_trainers_logprobs(
    tiny_model: Path, mixed: list[Trajectory], tmp_path: Path, quantisation: str
) -> None:
    """The trainer's own (packed) log-probs after the last step against plain peft on the published folder."""
    from a3t_trainer.training.reference import reference_logprobs

    kept: dict[str, Any] = {}
    body = request(
        tiny_model,
        lora={"quantisation": quantisation},
        objective={"failure_reward": 0.5},
        optimisation={"learning_rate": 1e-2},
    )

    def keep(trainer: Any) -> None:
        units = trainer.train_dataset.plan.units
        kept.update(reference_logprobs(trainer.model, units, body.optimisation, tmp_path / "after.json"))

    run(tmp_path, body, mixed, inspect=keep)
    model = loaded(tiny_model, tmp_path / "registry" / "v0")
    if quantisation == "nf4":
        from transformers import BitsAndBytesConfig

        config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32)
        base = AutoModelForCausalLM.from_pretrained(tiny_model, quantization_config=config, device_map={"": "cpu"})
        model = keep_compute_dtype(PeftModel.from_pretrained(base, str(tmp_path / "registry" / "v0")).eval())
    values = plain_logprobs(model, tiny_model, mixed)
    assert len(kept) == len(mixed)
    for trajectory, logprobs in zip(mixed, values, strict=True):
        factor = 1 if trajectory.success else 0.5
        assert kept[trajectory.id] == pytest.approx(factor * float(logprobs.sum()), rel=1e-5)


def test_averaging_is_the_mean_of_the_checkpoints(tiny_model: Path, mixed: list[Trajectory], tmp_path: Path) -> None:
    optimisation = {"epochs": 2, "learning_rate": 1e-2, "average_checkpoints": 3}
    manifest, _ = run(tmp_path, request(tiny_model, optimisation=optimisation), mixed)
    steps = snapshot_steps(6, 3)
    assert steps == [2, 4, 6]
    snapshots = [load_file(snapshot_path(tmp_path / "work-v0", step)) for step in steps]
    published = load_file(tmp_path / "registry" / "v0" / "adapter_model.safetensors")
    assert len(published) == len(snapshots[0])
    for name, value in snapshots[0].items():
        mean = torch.stack([s[name] for s in snapshots]).mean(0)
        assert torch.allclose(published[name.replace(".default", "")], mean, atol=1e-7)
        assert not torch.allclose(mean, value, atol=1e-7)
    assert 0 < manifest.metrics["averaging_gap"] < 0.2


def test_interpolation_publishes_a_share_of_the_update(
    tiny_model: Path, mixed: list[Trajectory], tmp_path: Path
) -> None:
    whole = {"epochs": 2, "learning_rate": 1e-2, "average_checkpoints": 3}
    run(tmp_path / "whole", request(tiny_model, optimisation=whole), mixed)
    run(tmp_path / "half", request(tiny_model, optimisation=whole | {"interpolation": 0.5}), mixed)
    one, half = (load_file(tmp_path / n / "registry" / "v0" / "adapter_model.safetensors") for n in ("whole", "half"))
    for name, value in one.items():
        assert value.abs().max() > 0
        assert torch.equal(half[name], value * (0.5 if ".lora_B." in name else 1)), name
    again = run(tmp_path / "half", request(tiny_model, optimisation=whole | {"interpolation": 0.5}), mixed)
    assert again[0].version == "v0", "a published job done again is not scaled again"
    after = load_file(tmp_path / "half" / "registry" / "v0" / "adapter_model.safetensors")
    assert all(torch.equal(after[name], value) for name, value in half.items())


def test_interpolation_does_not_go_with_dora(tiny_model: Path) -> None:
    with pytest.raises(ValidationError, match="cannot be combined with lora"):
        request(tiny_model, optimisation={"interpolation": 0.5}, lora={"use_dora": True})


def test_evenly_spaced_snapshots() -> None:
    assert snapshot_steps(10, 0) == []
    assert snapshot_steps(10, 1) == [10]
    assert snapshot_steps(10, 4) == [3, 5, 8, 10]
    assert snapshot_steps(2, 6) == [1, 2]


def test_the_averaging_gap_is_zero_for_equal_checkpoints(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    torch.manual_seed(0)
    a, b = torch.randn(2, 5), torch.randn(7, 2)
    paths = [tmp_path / f"{i}.safetensors" for i in range(2)]
    for sign, path in zip((1, 1), paths, strict=True):
        save_file({"x.lora_A.w": sign * a, "x.lora_B.w": sign * b}, path)
    assert averaging_gap(paths) == pytest.approx(0, abs=1e-9)
    save_file({"x.lora_A.w": -a, "x.lora_B.w": -b}, paths[1])
    assert float(average(paths)["x.lora_A.w"].abs().max()) == 0
    assert averaging_gap(paths) == pytest.approx(1)


@pytest.mark.parametrize("name", ["sft", "raw_reward", "label_prefix", "dpo"])
def test_every_objective_runs_to_publication(
    tiny_model: Path, mixed: list[Trajectory], tmp_path: Path, name: str
) -> None:
    manifest, recorder = run(tmp_path, request(tiny_model, objective={"name": name}), mixed)
    assert manifest.objective["name"] == name
    expected = {"sft": 12, "raw_reward": 12, "label_prefix": 15, "dpo": 9}[name]
    assert manifest.data["trained_trajectories"] == expected
    assert recorder.readings[-1].step == recorder.readings[-1].total_steps


def test_a_child_goes_on_from_its_parent(tiny_model: Path, mixed: list[Trajectory], tmp_path: Path) -> None:
    successes = [t for t in mixed if t.success]
    quick = {"epochs": 3, "learning_rate": 1e-2}
    run(tmp_path, request(tiny_model, "v0", objective={"name": "sft"}, optimisation=quick), mixed, "ftjob-0")
    child = request(tiny_model, "v1", parent="v0", objective={"name": "sft"}, optimisation=quick)
    manifest, _ = run(tmp_path, child, mixed, "ftjob-1")
    registry = tmp_path / "registry"
    assert manifest.parent == "v0"
    assert trained_nll(tiny_model, registry / "v1", successes) < trained_nll(tiny_model, registry / "v0", successes)
    for changes, reason in [
        ({"lora": {"rank": 8}}, "has r 4, but the job asks for 8"),
        ({"lora": {"target_modules": ["q_proj"]}}, "adapts .*, but the job"),
        ({"lora": {"use_dora": True}}, "has use_dora False"),
        ({"parent": "nobody"}, "no adapter version 'nobody'"),
    ]:
        with pytest.raises(A3TError, match=reason):
            run(tmp_path, request(tiny_model, "v2", **({"parent": "v0"} | changes)), mixed, "ftjob-2")
    assert RegistryReader(registry).versions() == ["v0", "v1"]


def test_a_parent_on_another_base_is_refused(tiny_model: Path, mixed: list[Trajectory], tmp_path: Path) -> None:
    from tests.support.tiny_model import make_tiny_model

    other = make_tiny_model(tmp_path / "other", seed=1)
    run(tmp_path, request(tiny_model), mixed)
    with pytest.raises(InvalidInputError, match="was trained on the base"):
        run(tmp_path, request(other, "v1", parent="v0"), mixed, "ftjob-1")


@pytest.mark.parametrize(
    ("changes", "error", "reason"),
    [
        ({"model": "/no/such/folder"}, NotFoundError, "no base model folder"),
        ({"model": "a3t/nobody"}, NotFoundError, "no base model 'a3t/nobody'"),
        ({"model": "nobody/nothing"}, NotFoundError, "cannot be loaded"),
        ({"lora": {"target_modules": ["nothing"]}}, InvalidInputError, "LoRA cannot be put on this base"),
        (
            {"optimisation": {"learning_rate": 1e30}},
            InvalidInputError,
            r"Training has diverged: a weight of .* became .*e\+30",
        ),
        (
            {"optimisation": {"learning_rate": 1e30}, "lora": {"target_modules": "all-linear"}},
            InvalidInputError,
            "The loss became nan at step 2",
        ),
        ({"optimisation": {"max_length": 50}}, InvalidInputError, "the limit is 50"),
    ],
)
def test_what_cannot_be_done_says_why_and_publishes_nothing(
    tiny_model: Path, mixed: list[Trajectory], tmp_path: Path, changes: dict[str, Any], error: type, reason: str
) -> None:
    body = request(tiny_model, **changes) if "model" not in changes else request(**changes)
    with pytest.raises(error, match=reason):
        run(tmp_path, body, mixed)
    assert RegistryReader(tmp_path / "registry").versions() == []


def test_a_base_with_broken_weights_ends_the_job(mixed: list[Trajectory], tiny_model: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight[0, 0] = float("nan")
    model.save_pretrained(tmp_path / "base")
    load_tokenizer(str(tiny_model)).save_pretrained(tmp_path / "base")
    with pytest.raises(InvalidInputError, match="The loss became nan at step 1"):
        run(tmp_path, request(tmp_path / "base"), mixed)


def test_a_published_job_is_not_done_again_and_a_version_not_taken_twice(
    tiny_model: Path, mixed: list[Trajectory], tmp_path: Path
) -> None:
    first, _ = run(tmp_path, request(tiny_model), mixed, "ftjob-0")
    again, recorder = run(tmp_path, request(tiny_model), mixed, "ftjob-0")
    assert again == first
    assert recorder.readings == []
    with pytest.raises(ConflictError, match="was published already, by job ftjob-0"):
        run(tmp_path, request(tiny_model), mixed, "ftjob-1")


def test_the_card_says_what_the_adapter_is(tiny_model: Path, mixed: list[Trajectory], tmp_path: Path) -> None:
    run(tmp_path, request(tiny_model, objective={"failure_weight": 0.25}), mixed)
    card = (tmp_path / "registry" / "v0" / "README.md").read_text()
    for line in (
        "library_name: peft",
        "| failures | 3 |",
        "| failure_weight | 0.25 |",
        "| nll_success |",
        "| licence |",
    ):
        assert line in card
    config = json.loads((tmp_path / "registry" / "v0" / "adapter_config.json").read_text())
    assert config["peft_type"] == "LORA"
    assert config["inference_mode"] is True


def test_tensorboard_has_the_loss_by_part(tiny_model: Path, mixed: list[Trajectory], tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(tmp_path, request(tiny_model), mixed)
    board = EventAccumulator(str(tmp_path / "work-v0" / "tensorboard")).Reload()
    tags = board.Tags()["scalars"]
    assert {"train/loss", "train/nll_success", "train/nll_failure", "train/nll_action"} <= set(tags)


@pytest.mark.parametrize("tracker", ["wandb", "mlflow"])
def test_trackers_by_setting(
    tiny_model: Path, mixed: list[Trajectory], tmp_path: Path, tracker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both without a server: W&B offline, MLflow into a file."""
    pytest.importorskip(tracker, reason=f"{tracker} comes with the extra `tracking`")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    run(tmp_path, request(tiny_model), mixed, trackers=(tracker,))
    if tracker == "wandb":
        assert list(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))
        return
    import mlflow

    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert len(runs) == 1
    assert {"loss", "nll_success", "nll_failure", "nll_action"} <= runs[0].data.metrics.keys()


def test_a_long_thought_only_trajectory_set_trains_without_thoughts(tiny_model: Path, tmp_path: Path) -> None:
    trajectories = [make_trajectory(sample=s, thought=False) for s in range(3)]
    _, recorder = run(tmp_path, request(tiny_model), trajectories)
    assert "thought" not in recorder.readings[-1].loss_parts
