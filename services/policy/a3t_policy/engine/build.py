"""Builds the engine from the settings: loads the base model and sizes the KV cache."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.logging import get_logger
from a3t_contracts.registry import base_fingerprint

from ..settings import PolicySettings
from ..text import TextCodec
from ..versions.check import BaseFacts
from .engine import Engine, EngineLimits
from .flat import Chunk
from .memory import free_memory
from .runner import Runner
from .slots import CacheShape, SlotPool
from .weights import BASE, Weights, load_base, pick_device, pick_dtype

__all__ = ["LocalModel", "build"]

log = get_logger(__name__)

_MEMORY_SHARE = 0.6
"""Largest share of the free memory that KV slots may take, after the base is loaded (0 to 1)."""
_FEWEST_SLOTS = 4


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A loaded base with its engine, which is not started yet."""

    weights: Weights
    engine: Engine
    facts: BaseFacts
    facts_to_log: dict[str, Any]


def build(settings: PolicySettings, folder: str, codec: TextCodec) -> LocalModel:
    """Load the base and allocate the KV slots. Blocks for seconds to minutes."""
    device = pick_device(settings.policy_device)
    dtype = pick_dtype(settings.policy_dtype, device)
    base = load_base(folder, device, dtype, settings.policy_quantisation)
    context = _context(base.config, settings.policy_max_context)
    weights = Weights(base, settings.policy_merge_below, SlotPool.granules(context + 1))
    threads = settings.policy_threads or (1 if weights.merging else os.cpu_count() or 1)
    if device.type == "cpu":
        torch.set_num_threads(threads)
    shape = CacheShape.of(base.config)
    wanted = settings.policy_slots or 2 * settings.policy_max_batch
    slots = _affordable(wanted, SlotPool.granules(context + 1) * shape.bytes_per_token(dtype), device)
    pool = SlotPool(slots, context, shape, device, dtype)
    limits = EngineLimits(
        min(settings.policy_max_batch, slots),
        settings.policy_max_queue,
        settings.policy_prefill_tokens,
        settings.policy_request_seconds,
    )
    runner = Runner(weights, pool, device, dtype)
    _prove(runner, base)
    engine = Engine(runner, codec, limits, _stop_ids(base, codec))
    facts = BaseFacts(settings.policy_base_model, base_fingerprint(folder), linear_shapes(base), codec.prompt_style)
    facts_to_log = {
        "device": str(device),
        "dtype": str(dtype),
        "slots": slots,
        "context": context,
        "threads": threads,
        "forward": "lean" if weights.lean else "transformers",
        "adapters": "merged" if weights.merging else "side by side",
    }
    return LocalModel(weights, engine, facts, facts_to_log)


def _prove(runner: Runner, base: Any) -> None:
    """Compare the engine with transformers on a few tokens, computed in two pieces.

    If the results of the project's forward pass (`lean`) differ, it is switched off. Raises InvalidInputError for a
    base that the engine cannot compute, for instance one with layers that do not attend to the whole context.
    """
    ids = torch.randint(0, base.config.vocab_size, (24,), generator=torch.Generator().manual_seed(0)).tolist()
    with torch.inference_mode():
        expected = base(torch.tensor([ids], device=base.device)).logits[0, -1].float()
        for _ in range(2):
            runner.forward(BASE, [Chunk(1, 0, ids[:16]), Chunk(0, 0, ids[:3])])
            given = runner.forward(BASE, [Chunk(1, 16, ids[16:])])[0]
            scale = expected.abs().max()
            if torch.allclose(given, expected, rtol=0, atol=float(scale) * _tolerance(runner.dtype)):
                return
            if not runner.weights.lean:
                break
            log.warning("engine.lean_disagrees", difference=float((given - expected).abs().max()))
            runner.weights.give_up_lean()
    raise InvalidInputError(
        f"The engine's results for {type(base).__name__} differ from those of transformers.",
        hint="Serve it with vLLM or TGI and set A3T_POLICY_BACKEND.",
    )


def _tolerance(dtype: torch.dtype) -> float:
    return 1e-3 if dtype == torch.float32 else 0.1


def linear_shapes(base: Any) -> dict[str, tuple[int, int]]:
    """Return name → (out, in) of every linear module and embedding, also if it is quantised."""
    shapes = {}
    for name, module in base.named_modules():
        if hasattr(module, "in_features"):
            shapes[name] = (module.out_features, module.in_features)
    return shapes


def _context(config: Any, wanted: int) -> int:
    """Largest number of tokens of a sequence: the wanted number, but at most the context to which the model attends
    in full.
    """
    limits = [wanted, getattr(config, "max_position_embeddings", None), getattr(config, "sliding_window", None)]
    return min(limit for limit in limits if limit)


def _affordable(slots: int, bytes_per_slot: int, device: torch.device) -> int:
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_memory()
    fitting = min(slots, int(free * _MEMORY_SHARE) // bytes_per_slot)
    if fitting < _FEWEST_SLOTS:
        raise InvalidInputError(
            f"{free / 2**30:.1f} GiB of memory are free, too little for {_FEWEST_SLOTS} sequences of "
            f"{bytes_per_slot / 2**20:.0f} MiB each.",
            hint="Lower A3T_POLICY_MAX_CONTEXT, or quantise the base (A3T_POLICY_QUANTISATION=nf4).",
        )
    return fitting


def _stop_ids(base: Any, codec: TextCodec) -> frozenset[int]:
    """Ids of tokens that end a text: those of the generation config and of the tokenizer."""
    named = getattr(base.generation_config, "eos_token_id", None)
    ids = named if isinstance(named, list) else [named]
    return frozenset(i for i in (*ids, codec.tokenizer.eos_token_id) if i is not None)
