"""What the engine takes for free memory: the container's limit, in both versions of control groups."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
import torch

from a3t_policy.engine.memory import free_memory
from a3t_policy.engine.slots import CacheShape, SlotPool

VERSION_2 = ("memory.max", "memory.current", "memory.stat", "inactive_file")
VERSION_1 = (
    "memory/memory.limit_in_bytes",
    "memory/memory.usage_in_bytes",
    "memory/memory.stat",
    "total_inactive_file",
)


def group(mount: Path, layout: tuple[str, str, str, str], limit: str, usage: int, cached: int) -> Path:
    for name, text in zip(layout[:3], (limit, str(usage), f"anon 1\n{layout[3]} {cached}\n"), strict=True):
        (mount / name).parent.mkdir(parents=True, exist_ok=True)
        (mount / name).write_text(f"{text}\n")
    return mount


@pytest.mark.parametrize("layout", [VERSION_1, VERSION_2], ids=["v1", "v2"])
def test_a_limit_bounds_what_is_free(tmp_path: Path, layout: tuple[str, str, str, str]) -> None:
    assert free_memory(group(tmp_path, layout, "50000000", 30_000_000, 10_000_000)) == 30_000_000


@pytest.mark.parametrize("layout", [VERSION_1, VERSION_2], ids=["v1", "v2"])
def test_no_more_than_the_limit_is_promised(tmp_path: Path, layout: tuple[str, str, str, str]) -> None:
    assert free_memory(group(tmp_path, layout, "1000", 5000, 0)) == 0


@pytest.mark.parametrize(("layout", "limit"), [(VERSION_2, "max"), (VERSION_1, "9223372036854771712")])
def test_without_a_limit_the_machine_counts(tmp_path: Path, layout: tuple[str, str, str, str], limit: str) -> None:
    free = free_memory(group(tmp_path, layout, limit, 1000, 0))
    assert free == pytest.approx(psutil.virtual_memory().available, rel=0.2)


def test_machines_without_control_groups(tmp_path: Path) -> None:
    assert free_memory(tmp_path) > 0


def test_slots_take_memory_when_they_are_written_and_no_sooner() -> None:
    shape = CacheShape(layers=2, kv_heads=4, head_dim=64)
    process = psutil.Process()
    before = process.memory_info().rss
    pool = SlotPool(64, 4095, shape, torch.device("cpu"), torch.float32)
    size = sum(tensor.nbytes for tensor in (*pool.keys, *pool.values))
    assert size > 2**30
    assert process.memory_info().rss - before < size / 20
    for tensor in (*pool.keys, *pool.values):
        tensor[:, :64] = 1.0
    assert process.memory_info().rss - before < size / 10


def test_a_slot_unused_for_long_is_taken_before_a_fresh_one(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = CacheShape(layers=1, kv_heads=1, head_dim=8)
    pool = SlotPool(8, 127, shape, torch.device("cpu"), torch.float32)
    now = 1000.0
    monkeypatch.setattr("a3t_policy.engine.slots.time.monotonic", lambda: now)
    taken = []
    for prompt in ([1, 2, 3], [4, 5, 6], [7, 8, 9]):
        place = pool.acquire(prompt, 0)
        assert place is not None
        pool.release(place[0])
        taken.append(place[0])
        now += 40.0
    assert taken == [0, 1, 0]
