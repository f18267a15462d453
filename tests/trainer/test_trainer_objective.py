"""The objectives are the paper's: equation (1), its three-part form, SFT, and DPO as TRL computes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from a3t_contracts.schemas import Objective, ObjectiveName, Optimisation
from a3t_contracts.schemas.trajectory import Trajectory
from a3t_trainer.encoding.collate import StepScale, collate
from a3t_trainer.encoding.plan import StepPlan, Unit, build_units, micro_batches, pair_units
from a3t_trainer.encoding.selection import select
from a3t_trainer.encoding.sequences import TokenSequence, encode_all
from a3t_trainer.training.model import load_base, load_tokenizer, with_adapter
from a3t_trainer.training.objective import dpo_loss, sequence_logprobs, weighted_loss
from tests.trainer.conftest import make_trajectory
from tests.trainer.jobs_support import request

Gradient = dict[str, Tensor]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def fresh(base: Path, *, packing: bool = True, **optimisation: Any) -> Any:
    """A model with a new adapter, in double precision."""
    body = request(base, lora={"target_modules": "all-linear"}, optimisation={"packing": packing, **optimisation})
    return with_adapter(load_base(body), body.lora, None, seed=1).double()


def randomise(model: Any) -> Any:
    """Make B random, so that the adapter is not the identity."""
    torch.manual_seed(2)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B.default" in name:
                parameter.normal_(0, 0.02)
    return model


def adapted(base: Path, **settings: Any) -> Any:
    return randomise(fresh(base, **settings))


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Any:
    return adapted(tiny_model)


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Any:
    return load_tokenizer(str(tiny_model))


def encoded(tokenizer: Any, trajectories: list[Trajectory], objective: Objective) -> list[TokenSequence]:
    return encode_all(tokenizer, select(trajectories, objective), objective, 4096)


def step_loss(
    model: Any, units: list[Unit], objective: Objective, *, packing: bool = True, tokens: int = 10**6
) -> tuple[float, Gradient]:
    """Loss and gradient of one optimiser step, over as many passes as `tokens` asks for."""
    model.zero_grad()
    scale, total = StepScale.of(objective.normalisation, units), 0.0
    for batch in micro_batches(units, tokens, packing=packing):
        micro: dict[str, Any] = dict(collate(batch, scale, packing=packing))
        coefficients, failure = micro.pop("coefficients"), micro.pop("failure")
        del micro["parts"], micro["sequence"]
        loss = weighted_loss(model(**micro), coefficients, failure, objective.failure_nll_cap)
        loss.backward()
        total += float(loss.detach())
    return total, gradient(model)


def gradient(model: Any) -> Gradient:
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def plain_logprob(model: Any, sequence: TokenSequence) -> Tensor:
    """log p(τ) over all its tokens but the first, from the logits of an ordinary forward pass of one sequence."""
    ids = torch.from_numpy(sequence.ids)[None]
    ends = torch.tensor([0, ids.shape[1]], dtype=torch.int32)
    logits = model(input_ids=ids, cu_seq_lens_q=ends, max_length_q=ids.shape[1]).logits
    return logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None]).sum()


def assert_same(one: tuple[float, Gradient], two: tuple[float, Gradient], tolerance: float = 1e-5) -> None:
    assert one[0] == pytest.approx(two[0], rel=tolerance)
    assert one[1].keys() == two[1].keys()
    for name, value in one[1].items():
        assert torch.allclose(value, two[1][name], rtol=tolerance, atol=tolerance * float(two[1][name].abs().max()))


def one_task(successes: int) -> list[Trajectory]:
    return [make_trajectory(sample=s, steps=2 + s) for s in range(successes)] + [make_trajectory(success=False)]


@pytest.mark.parametrize("successes", [1, 3])
@pytest.mark.parametrize("failure_reward", [-1.0, -0.3])
def test_loss_and_gradient_equal_the_three_part_form(
    model: Any, tokenizer: Any, successes: int, failure_reward: float
) -> None:
    """Paper §4: Σ log p(s) + R_f log p(f) = (2K−1+R_f)/2K Σ log p(s) + (1+R_f)/2 log p(f) + (1−R_f)/2K Σ [s − f]."""
    objective = Objective(failure_reward=failure_reward)
    sequences = encoded(tokenizer, one_task(successes), objective)
    ours = step_loss(model, build_units(sequences), objective)
    model.zero_grad()
    logprobs = [plain_logprob(model, s) for s in sequences]
    good, bad, k = logprobs[:-1], logprobs[-1], successes
    sft = (2 * k - 1 + failure_reward) / (2 * k) * sum(good)
    likelihood = (1 + failure_reward) / 2 * bad
    contrast = (1 - failure_reward) / (2 * k) * sum(s - bad for s in good)
    loss = -(sft + likelihood + contrast) / len(sequences)
    loss.backward()
    assert_same(ours, (float(loss.detach()), gradient(model)))


def test_a_failure_reward_of_zero_is_sft(model: Any, tokenizer: Any) -> None:
    zero, sft = Objective(failure_reward=0), Objective(name=ObjectiveName.sft)
    contrast = Objective()
    first, second, third = (
        step_loss(model, build_units(encoded(tokenizer, one_task(3), o)), o) for o in (zero, sft, contrast)
    )
    assert_same(first, second, 1e-12)
    assert first[0] != pytest.approx(third[0], rel=1e-3)


@pytest.mark.parametrize("normalisation", ["as_printed", "per_token", "per_trajectory"])
def test_packed_equals_unpacked_however_a_step_is_cut(tiny_model: Path, tokenizer: Any, normalisation: str) -> None:
    objective = Objective.model_validate({"normalisation": normalisation, "observation_weight": 0.3})
    units = build_units(encoded(tokenizer, one_task(4), objective))
    packed, padded = adapted(tiny_model), adapted(tiny_model, packing=False)
    reference = step_loss(padded, units, objective, packing=False)
    assert_same(step_loss(packed, units, objective), reference, 1e-9)
    assert_same(step_loss(packed, units, objective, tokens=300), reference, 1e-9)
    assert_same(step_loss(padded, units, objective, packing=False, tokens=500), reference, 1e-9)


def test_packing_equals_transformers_own_block_diagonal_mask(tiny_model: Path, tokenizer: Any) -> None:
    units = build_units(encoded(tokenizer, one_task(3), Objective()))
    ours, masked = adapted(tiny_model), adapted(tiny_model)
    masked.config._attn_implementation = masked.base_model.model.config._attn_implementation = "sdpa"
    assert_same(step_loss(ours, units, Objective()), step_loss(masked, units, Objective()), 1e-9)


def test_gradient_checkpointing_and_pieces_of_logits_change_nothing(
    tiny_model: Path, tokenizer: Any, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = build_units(encoded(tokenizer, one_task(3), Objective()))
    reference = step_loss(model, units, Objective())
    checkpointed = adapted(tiny_model, gradient_checkpointing=True)
    checkpointed.train()
    assert_same(step_loss(checkpointed, units, Objective()), reference, 1e-9)
    monkeypatch.setattr("a3t_trainer.training.logprobs._LOGITS_AT_ONCE", 1 << 12)
    assert_same(step_loss(model, units, Objective()), reference, 1e-9)


def test_normalisations_are_what_they_say(model: Any, tokenizer: Any) -> None:
    losses = {}
    for name in ("as_printed", "per_token", "per_trajectory"):
        objective = Objective.model_validate({"normalisation": name})
        sequences = encoded(tokenizer, one_task(2), objective)
        losses[name] = step_loss(model, build_units(sequences), objective)[0]
    with torch.no_grad():
        nll = [-s.reward * float(plain_logprob(model, s)) for s in sequences]
    counts = [s.trained for s in sequences]
    assert losses["as_printed"] == pytest.approx(sum(nll) / 3, rel=1e-6)
    assert losses["per_token"] == pytest.approx(sum(nll) / sum(counts), rel=1e-6)
    assert losses["per_trajectory"] == pytest.approx(sum(n / c for n, c in zip(nll, counts, strict=True)) / 3, rel=1e-6)


def test_the_cap_takes_the_gradient_from_failures_above_it_alone() -> None:
    logprobs = torch.tensor([-1.0, -3.0, -1.0, -3.0], requires_grad=True)
    failure = torch.tensor([False, False, True, True])
    loss = weighted_loss(logprobs, torch.tensor([1.0, 1.0, -1.0, -1.0]), failure, 2.0)
    loss.backward()
    assert loss.item() == pytest.approx(3.0)
    assert logprobs.grad is not None
    assert logprobs.grad.tolist() == [-1, -1, 1, 0]


def test_the_cap_at_zero_nll_leaves_the_successes(model: Any, tokenizer: Any) -> None:
    objective = Objective(failure_nll_cap=1e-9)
    units = build_units(encoded(tokenizer, one_task(2), objective))
    capped = step_loss(model, units, objective)
    sft = Objective(name=ObjectiveName.sft)
    plain = step_loss(model, build_units(encoded(tokenizer, one_task(2), sft)), sft)
    assert capped[0] == pytest.approx(plain[0] * 2 / 3, rel=1e-6)


def test_dpo_equals_trl_on_the_same_pairs(tiny_model: Path, tokenizer: Any, tmp_path: Path) -> None:
    """Loss and gradient of one step over two pairs, against trl.DPOTrainer with the same adapter."""
    objective = Objective(name=ObjectiveName.dpo, dpo_beta=0.3, normalisation="as_printed")
    pairs = pair_units(encoded(tokenizer, one_task(2), objective))
    ours = _our_dpo(fresh(tiny_model), pairs, objective, tmp_path)
    theirs = _trl_dpo(fresh(tiny_model, packing=False), pairs, objective.dpo_beta, tmp_path)
    assert ours[0] != pytest.approx(0.693147, rel=1e-2)
    assert_same(ours, theirs)


def _our_dpo(model: Any, pairs: list[Unit], objective: Objective, folder: Path) -> tuple[float, Gradient]:
    """Through the trainer itself, in two passes. The reference is taken before the adapter moves."""
    from transformers import TrainingArguments

    from a3t_trainer.training.reference import reference_logprobs
    from a3t_trainer.training.trainer import StepDataset, TrajectoryTrainer
    from tests.trainer.jobs_support import Recorder

    optimisation = Optimisation(max_steps=1, trajectories_per_step=2 * len(pairs), tokens_per_batch=700)
    reference = reference_logprobs(model, pairs, optimisation, folder / "reference.json")
    dataset = StepDataset(StepPlan.of(pairs, optimisation, 0), objective, optimisation, 0, reference)
    arguments = TrainingArguments(output_dir=str(folder), max_steps=1, use_cpu=True, report_to=[])
    trainer = TrajectoryTrainer(model, arguments, dataset, objective, Recorder())
    trainer.current_gradient_accumulation_steps = 1
    trainer.create_optimizer()
    model.zero_grad()
    loss = trainer.training_step(randomise(model), dataset[0])
    return float(loss), gradient(model)


def _trl_dpo(model: Any, pairs: list[Unit], beta: float, folder: Path) -> tuple[float, Gradient]:
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    rows = [
        {"prompt_ids": [int(s.ids[0])], "chosen_ids": s.ids[1:].tolist(), "rejected_ids": f.ids[1:].tolist()}
        for s, f in pairs
    ]
    texts = Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": "c"}])
    config = DPOConfig(
        output_dir=str(folder),
        beta=beta,
        max_length=None,
        use_cpu=True,
        bf16=False,
        report_to=[],
        gradient_checkpointing=False,
        disable_dropout=False,
    )
    tokenizer = AutoTokenizer.from_pretrained(model.base_model.model.config._name_or_path)
    trainer = DPOTrainer(model=model, args=config, train_dataset=texts, processing_class=tokenizer)
    batch = trainer.data_collator(rows)
    model.zero_grad()
    loss = trainer.compute_loss(randomise(model), batch)
    loss.backward()
    return float(loss.detach()), gradient(model)


def test_sequence_sums_and_dpo_at_the_reference() -> None:
    sums = sequence_logprobs(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 0.5, 1.0]), torch.tensor([0, 0, 1]), 2)
    assert sums.tolist() == [2.0, 3.0]
    assert dpo_loss(sums, sums, 0.1).item() == pytest.approx(0.693147, abs=1e-6)
