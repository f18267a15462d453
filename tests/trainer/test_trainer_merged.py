"""One product a layer is the same function, with the same gradients, as LoRA's three."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from peft.tuners.lora import Linear
from torch import Tensor

from a3t_trainer.training import merged
from a3t_trainer.training.merged import pays
from a3t_trainer.training.model import load_base, with_adapter
from tests.trainer.jobs_support import request

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="on a GPU every layer stays as peft made it")


def adapted(base: Path, *, three: bool, **lora: Any) -> Any:
    """A model in double precision with a random adapter; with `three`, its layers are computed as peft does."""
    body = request(base, lora={"target_modules": "all-linear", "rank": 32, **lora})
    model = with_adapter(load_base(body), body.lora, None, seed=1).double()
    torch.manual_seed(2)
    for name, parameter in model.named_parameters():
        if "lora_B.default" in name:
            torch.nn.init.normal_(parameter, 0, 0.05)
    for module in model.modules():
        if three and isinstance(module, Linear):
            module.__dict__.pop("forward", None)
    return model


def merged_layers(model: Any) -> int:
    return sum(isinstance(m, Linear) and "forward" in m.__dict__ for m in model.modules())


def outputs(model: Any) -> tuple[Tensor, dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(5, 60, (1, 40), generator=generator)
    row = {"position_ids": torch.arange(40)[None], "cu_seq_lens_q": torch.tensor([0, 25, 40], dtype=torch.int32)}
    lengths = {"cu_seq_lens_k": row["cu_seq_lens_q"], "max_length_q": 25, "max_length_k": 25}
    logprobs = model(input_ids=ids, keep=torch.arange(39), targets=ids[0, 1:], **row, **lengths)
    logprobs.sum().backward()
    return logprobs.detach(), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def test_one_product_equals_three(tiny_model: Path) -> None:
    one, three = adapted(tiny_model, three=False), adapted(tiny_model, three=True)
    assert merged_layers(one) > 0
    assert merged_layers(three) == 0
    (left, left_grads), (right, right_grads) = outputs(one), outputs(three)
    torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-9)
    assert left_grads.keys() == right_grads.keys()
    assert all("lora_" in name for name in left_grads)
    for name, gradient in left_grads.items():
        torch.testing.assert_close(gradient, right_grads[name], rtol=1e-8, atol=1e-9, msg=name)


@pytest.mark.parametrize("lora", [{"dropout": 0.1}, {"use_dora": True}, {"dtype": "bfloat16"}, {"rank": 1}])
def test_what_is_no_plain_lora_stays_as_peft_made_it(tiny_model: Path, lora: dict[str, Any]) -> None:
    assert merged_layers(adapted(tiny_model, three=False, **lora)) == 0


def _small(base: Path, precision: Literal["highest", "medium"]) -> Any:
    """A model in single precision with a random adapter."""
    body = request(base, lora={"target_modules": "all-linear", "rank": 32})
    model = with_adapter(load_base(body), body.lora, None, 1, precision)
    torch.manual_seed(2)
    for name, parameter in model.named_parameters():
        if "lora_B.default" in name:
            torch.nn.init.normal_(parameter, 0, 0.05)
    return model


def test_products_of_halves_are_close_and_leave_everything_else_in_single_precision(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merged, "multiplies_halves", lambda: True)
    (exact, exact_grads), (half, half_grads) = (outputs(_small(tiny_model, p)) for p in ("highest", "medium"))
    assert not torch.equal(exact, half)
    torch.testing.assert_close(half, exact, rtol=0.02, atol=0.02)
    assert exact_grads.keys() == half_grads.keys()
    for name, gradient in half_grads.items():
        assert gradient.dtype == torch.float32
        assert torch.cosine_similarity(gradient.flatten(), exact_grads[name].flatten(), dim=0) > 0.999, name


def test_a_processor_that_cannot_multiply_halves_computes_as_before(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merged, "multiplies_halves", lambda: False)
    (exact, _), (medium, _) = (outputs(_small(tiny_model, p)) for p in ("highest", "medium"))
    assert torch.equal(exact, medium)


def test_it_pays_where_the_rank_is_not_small_beside_the_width() -> None:
    assert pays(32, 128, 128)
    assert pays(32, 512, 128)
    assert not pays(16, 4096, 4096)
