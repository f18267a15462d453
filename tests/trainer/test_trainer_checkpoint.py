"""What a checkpoint bundle holds of an optimiser comes back, whoever wrote the optimiser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.optim import PagedAdamW32bit
from torch import Tensor, nn

from a3t_trainer.training.checkpoint import load_optimizer, save_optimizer


def torch_adamw(parameter: nn.Parameter) -> torch.optim.Optimizer:
    return torch.optim.AdamW([parameter], lr=0.01, betas=(0.8, 0.9))


def paged_adamw(parameter: nn.Parameter) -> torch.optim.Optimizer:
    optimizer: torch.optim.Optimizer = PagedAdamW32bit([parameter], lr=0.01, betas=(0.8, 0.9))
    return optimizer


STATES: dict[Callable[[nn.Parameter], torch.optim.Optimizer], dict[str, Any]] = {
    torch_adamw: {"step": torch.tensor(7.0), "exp_avg": torch.rand(3, 4), "exp_avg_sq": torch.rand(3, 4)},
    paged_adamw: {"step": 7, "state1": torch.rand(3, 4), "state2": torch.rand(3, 4)},
}
"""What each keeps of a parameter after some steps."""


@pytest.mark.parametrize("make", STATES)
def test_an_optimisers_state_comes_back(tmp_path: Path, make: Callable[[nn.Parameter], torch.optim.Optimizer]) -> None:
    parameters = [nn.Parameter(torch.zeros(3, 4)) for _ in range(2)]
    before, after = map(make, parameters)
    before.state[parameters[0]] = STATES[make]
    save_optimizer(tmp_path, before)
    load_optimizer(tmp_path, after)
    restored = after.state[parameters[1]]
    assert restored.keys() == STATES[make].keys()
    for name, value in STATES[make].items():
        same = torch.equal(restored[name], value) if isinstance(value, Tensor) else restored[name] == value
        assert same, name
    assert after.param_groups[0]["betas"] == (0.8, 0.9)
