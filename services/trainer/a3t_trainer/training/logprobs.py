"""Log-probabilities of the trained tokens. Logits are only computed for those tokens, a piece at a time."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from a3t_contracts.errors import InvalidInputError

__all__ = ["install_logprobs", "token_logprobs"]

_LOGITS_AT_ONCE = 1 << 23
_SCALED = ("final_logit_softcapping", "logits_scaling", "logit_scale")


def install_logprobs(model: nn.Module) -> None:
    """Make the forward of a causal LM return log-probabilities, shape [n], if it gets the arguments `keep` and
    `targets`.

    `forward` is replaced, so that wrappers of the model (peft, DDP, FSDP) keep working. Without `targets` it works as
    before. Raises InvalidInputError for a model that changes its logits after the output layer.
    """
    scaled = [n for n in _SCALED if getattr(model.config, n, None) not in (None, 1.0)]
    if scaled:
        raise InvalidInputError(
            f"{type(model).__name__} changes its logits ({scaled[0]}), which the trainer does not support.",
            hint="Choose a base that does not, such as Mistral, Llama or Qwen.",
        )
    original = model.forward

    def forward(self: Any, *args: Any, targets: Tensor | None = None, keep: Tensor | None = None, **kwargs: Any) -> Any:
        if targets is None or keep is None:
            return original(*args, **kwargs)
        known = {k: v for k, v in kwargs.items() if v is not None}
        hidden = self.base_model(*args, use_cache=False, **known).last_hidden_state
        return token_logprobs(self.get_output_embeddings(), hidden.flatten(0, 1)[keep], targets)

    model.forward = MethodType(forward, model)


def token_logprobs(head: Any, hidden: Tensor, targets: Tensor) -> Tensor:
    """Compute log p of each target, shape [n], from hidden states [n, width].

    Large vocabularies are processed in pieces whose logits are computed again in the backward pass, so that memory is
    needed for one piece only, not for n × vocabulary logits.
    """
    rows = max(1, _LOGITS_AT_ONCE // int(head.out_features))
    if len(targets) <= rows:
        return _logprobs(head, hidden, targets)
    pieces = [
        checkpoint(_logprobs, head, h, t, use_reentrant=False)
        for h, t in zip(torch.split(hidden, rows), torch.split(targets, rows), strict=True)
    ]
    return torch.cat(pieces)


def _logprobs(head: Any, hidden: Tensor, targets: Tensor) -> Tensor:
    logits = head(hidden)
    exact = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    return -cross_entropy(exact, targets, reduction="none")
