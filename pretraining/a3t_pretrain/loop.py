"""The training loop: deterministic, and resumable at any checkpoint with the same result."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from transformers import MistralForCausalLM

from a3t_contracts.errors import ConflictError
from a3t_contracts.files import write_atomically

from .model import new_model
from .muon import MuonAdamW
from .practice import Lexicon
from .sequences import Exercised, batches, collate
from .settings import PretrainSettings

__all__ = ["Pretraining"]

_POOL = 256
"""Number of exercises that are drawn at a time and sorted by length into batches."""
_FLOOR = 0.02


class Pretraining:
    """A training run over a corpus. `fit` continues from the newest checkpoint in `folder`.

    The same settings, corpus, torch build, machine type and number of threads give the same weights, whether or not the
    run was interrupted.
    """

    def __init__(
        self,
        settings: PretrainSettings,
        lexicon: Lexicon,
        corpus: Sequence[Exercised],
        folder: Path,
        identity: str,
    ) -> None:
        self.settings = settings
        self.lexicon = lexicon
        self.model = new_model(settings.shape, lexicon.tokenizer, settings.seed, lexicon.twins())
        self.step = self.tokens = 0
        self.seconds_before = 0.0
        """Seconds of training before the last interruption."""
        self._corpus = corpus
        self._identity = identity
        self._checkpoint = folder / "checkpoint.safetensors"
        self._optimiser = MuonAdamW(self.model)

    def fit(self, progress: Callable[[int, float], None], most_steps: int | None = None) -> None:
        """Train to the end, or to step `most_steps`. `progress` is called with the tokens so far and the loss (nats per
        weighted token)."""
        torch.set_num_threads(self.settings.threads)
        stream = self._batches()
        if self._checkpoint.is_file():
            self._load()
            for _ in range(self.step):
                next(stream)
        started = time.monotonic()
        while self.tokens < self.settings.tokens and (most_steps is None or self.step < most_steps):
            ids, weights = collate(next(stream))
            loss = weighted_loss(self.model, ids, weights)
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step(self._rate())
            self.step += 1
            self.tokens += int((ids != 0).sum())
            progress(self.tokens, loss.item())
            if self.step % self.settings.checkpoint_steps == 0:
                self._save(self.seconds_before + time.monotonic() - started)

    def _rate(self) -> float:
        settings, done = self.settings, self.tokens / self.settings.tokens
        warm = min(1.0, (self.step + 1) / max(1, settings.warmup_steps))
        fall = 1.0 if done < 1 - settings.decay else max(_FLOOR, (1 - done) / max(settings.decay, 1e-9))
        return settings.rate * warm * fall

    def _batches(self) -> Iterator[list[Exercised]]:
        """An endless stream of batches that depends only on the seed."""
        rng = random.Random(f"pretrain {self.settings.seed}")
        waiting: list[Exercised] = []
        while True:
            while len(waiting) < _POOL:
                waiting += rng.sample(self._corpus, len(self._corpus))
            pool, waiting = waiting[:_POOL], waiting[_POOL:]
            drawn = [self._with_shuffled_names(exercise, rng) for exercise in pool]
            yield from batches(drawn, self.settings.tokens_per_step, rng)

    def _with_shuffled_names(self, exercise: Exercised, rng: random.Random) -> Exercised:
        if rng.random() >= self.settings.shuffled:
            return exercise
        return Exercised(self.lexicon.shuffled(rng)[exercise.ids], exercise.weights)

    def _save(self, seconds: float) -> None:
        tensors = {f"model.{k}": v for k, v in self.model.model.state_dict().items()}
        tensors |= self._optimiser.tensors()
        partial = self._checkpoint.with_suffix(".partial")
        meta = {"step": str(self.step), "tokens": str(self.tokens), "identity": self._identity, "seconds": str(seconds)}
        save_file({k: v.contiguous() for k, v in tensors.items()}, partial, metadata=meta)
        write_atomically(self._checkpoint, partial.read_bytes())
        partial.unlink()

    def _load(self) -> None:
        meta = _metadata(self._checkpoint)
        if meta.get("identity") != self._identity:
            raise ConflictError(
                f"{self._checkpoint} belongs to a run with other settings or another corpus.",
                hint="Name another folder, or remove the checkpoint.",
            )
        tensors = load_file(self._checkpoint)
        prefix = "model."
        self.model.model.load_state_dict({k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)})
        self._optimiser.load_tensors(tensors)
        self.step, self.tokens = int(meta["step"]), int(meta["tokens"])
        self.seconds_before = float(meta["seconds"])


def weighted_loss(model: MistralForCausalLM, ids: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Mean negative log-likelihood over the tokens, weighted by `weights`."""
    chosen = weights[:, 1:] != 0
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1][chosen]
    nll = F.cross_entropy(model.lm_head(hidden), ids[:, 1:][chosen], reduction="none")
    weight = weights[:, 1:][chosen]
    return (nll * weight).sum() / weight.sum()


def _metadata(path: Path) -> dict[str, Any]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return dict(file.metadata())
