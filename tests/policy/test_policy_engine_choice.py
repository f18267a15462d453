"""Which engine process computes a prompt, and how many of them there are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from a3t_policy.processes import count
from a3t_policy.processes.affinity import Affinity
from a3t_policy.processes.count import engine_processes, parameter_count, usable_cores
from a3t_policy.settings import PolicySettings

from .conftest import policy_settings


def test_a_prompt_goes_to_the_least_busy_process_unless_its_beginning_is_known() -> None:
    affinity = Affinity()
    prompt = list(range(100))
    assert affinity.choose(prompt, 1, {0: 3, 1: 2}) == 1
    assert affinity.choose([*prompt, 7, 8], 1, {0: 0, 1: 7}) == 1, "it has most of the prompt"
    assert affinity.choose([*prompt, 7, 8], 2, {0: 0, 1: 7}) == 0, "of another version nothing is cached"
    assert affinity.choose([*prompt, *range(500, 800)], 1, {0: 0, 1: 7}) == 0, "what is known is less than half"
    assert affinity.choose([*prompt, 9], 1, {0: 0, 1: 8}) == 0, "a cache is not worth a long queue"
    assert affinity.choose([*prompt, 9], 1, {1: 100}) == 1
    affinity.forget(1)
    assert affinity.choose([*prompt, 9], 1, {0: 0, 1: 0}) == 0


def test_the_oldest_beginnings_are_forgotten() -> None:
    affinity = Affinity(remembered=2)
    first, second = [1] * 64, [2] * 64
    assert affinity.choose(first, 0, {0: 1, 1: 0}) == 1
    assert affinity.choose(second, 0, {0: 1, 1: 0}) == 1
    assert affinity.choose(first, 0, {0: 0, 1: 1}) == 0, "the second one took its place"
    assert affinity.choose(second, 0, {0: 0, 1: 1}) == 0


def test_the_number_of_processes(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(tiny_model)
    automatic = policy_settings(tiny_model, tmp_path, policy_engine_processes=0)
    monkeypatch.setattr(count, "usable_cores", lambda: 16)
    assert engine_processes(automatic, folder) == 4
    assert engine_processes(PolicySettings(), folder) == 1
    assert engine_processes(automatic.model_copy(update={"policy_engine_processes": 7}), folder) == 7
    assert engine_processes(automatic.model_copy(update={"policy_device": "cuda"}), folder) == 1
    assert engine_processes(automatic.model_copy(update={"policy_threads": 8}), folder) == 1
    assert engine_processes(automatic.model_copy(update={"policy_quantisation": "nf4"}), folder) == 1
    assert engine_processes(automatic.model_copy(update={"policy_merge_below": 100}), folder) == 1, "a large base"
    assert engine_processes(automatic, "org/name") == 1, "one that is not on this machine yet"
    monkeypatch.setattr(count, "usable_cores", lambda: 2)
    assert engine_processes(automatic, folder) == 2


def test_a_quota_of_processor_time_counts_as_cores(tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    assert usable_cores(tmp_path) == cores
    for text, most in (("max 100000", cores), ("50000 100000", 1), (f"{cores}00000 100000", cores)):
        (tmp_path / "cpu.max").write_text(text + "\n")
        assert usable_cores(tmp_path) == most


def test_parameters_are_counted_from_the_files(tmp_path: Path) -> None:
    save_file({"a": np.zeros((3, 4), dtype=np.float32)}, tmp_path / "one.safetensors")
    save_file({"b": np.zeros(5, dtype=np.float16)}, tmp_path / "two.safetensors")
    assert parameter_count(tmp_path) == 17
