"""The decoding kernel against torch's own attention."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from a3t_policy.engine import decode_attention as module
from a3t_policy.engine.decode_attention import DecodeAttention, decode_attention
from tests.policy.conftest import policy_settings
from tests.policy.policy_support import greedy


@pytest.fixture
def kernel() -> DecodeAttention:
    made = decode_attention()
    if made is None:
        pytest.skip("there is no C compiler here")
    return made


@pytest.mark.parametrize(("heads", "kv_heads", "dim"), [(4, 4, 32), (8, 2, 64), (6, 3, 20), (1, 1, 8)])
def test_it_is_torchs_attention(kernel: DecodeAttention, heads: int, kv_heads: int, dim: int) -> None:
    generator = torch.Generator().manual_seed(1)
    keys, values = (torch.randn(9, 130, kv_heads, dim, generator=generator) for _ in range(2))
    query = 3 * torch.randn(6, heads + 2, dim, generator=generator)[:, :heads]
    slots, lengths = np.array([4, 0, 8, 3]), np.array([130, 1, 77, 64])
    said = kernel(query, keys, values, slots, lengths)
    assert said.shape == (6, heads, dim)
    assert said[4:].abs().max() == 0, "rows that compute nothing"
    for row, (slot, length) in enumerate(zip(slots, lengths, strict=True)):
        k, v = (t[slot, :length].transpose(0, 1).repeat_interleave(heads // kv_heads, 0) for t in (keys, values))
        expected = scaled_dot_product_attention(query[row, :, None], k, v)[:, 0]
        torch.testing.assert_close(said[row], expected, rtol=1e-5, atol=1e-5)


def test_a_row_has_the_same_bits_whatever_is_beside_it(kernel: DecodeAttention) -> None:
    keys, values = torch.randn(5, 90, 4, 32), torch.randn(5, 90, 4, 32)
    query = torch.randn(3, 4, 32)
    together = kernel(query, keys, values, np.array([0, 3, 1]), np.array([90, 17, 50]))
    alone = kernel(query[1:2], keys, values, np.array([3]), np.array([17]))
    assert together[1].equal(alone[0])


def test_scores_far_apart_give_no_nan(kernel: DecodeAttention) -> None:
    keys = torch.zeros(1, 3, 1, 8)
    keys[0, :, 0, 0] = torch.tensor([-1e4, 0.0, 1e4])
    values = torch.arange(24, dtype=torch.float32).view(1, 3, 1, 8)
    query = torch.full((1, 1, 8), 5.0)
    assert kernel(query, keys, values, np.array([0]), np.array([3]))[0, 0].equal(values[0, 2, 0])


def test_without_a_compiler_or_with_one_that_fails_torch_is_called(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    decode_attention.cache_clear()
    monkeypatch.setattr(module.shutil, "which", lambda _: None)
    assert decode_attention() is None
    decode_attention.cache_clear()
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(module.shutil, "which", lambda _: str(broken))
    assert decode_attention() is None
    assert list((tmp_path / "cache" / "a3t").iterdir()) == []
    decode_attention.cache_clear()


def test_it_is_compiled_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kernel: DecodeAttention) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    decode_attention.cache_clear()
    assert decode_attention() is not None
    decode_attention.cache_clear()
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("compiled again"))
    assert decode_attention() is not None
    decode_attention.cache_clear()


async def test_the_engine_says_the_same_without_it(
    monkeypatch: pytest.MonkeyPatch, tiny_model: Path, tmp_path: Path
) -> None:
    from a3t_contracts.schemas.policy import Sampling
    from a3t_policy.backends.local import LocalBackend
    from a3t_policy.engine import lean
    from a3t_policy.generation import Generation

    monkeypatch.setattr(lean, "decode_attention", lambda: None)
    backend = LocalBackend(policy_settings(tiny_model, tmp_path))
    await backend.start()
    try:
        ids = backend.codec.prompt("Observation: You are in the middle of a room.")
        done = await backend.generate(Generation(ids, "", Sampling(max_tokens=12), ignore_eos=True))
    finally:
        await backend.close()
    assert done.ids == greedy(tiny_model, ids, 12)[0]
