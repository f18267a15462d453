"""Names of OpenTelemetry's semantic conventions for generative AI, and attributes of our own, `a3t.…`.

The names are repeated here because the conventions' package marks them as incubating, and because it would have to be
imported even where nothing is traced.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["EVALUATION", "PROVIDER", "evaluation", "messages"]

PROVIDER = "a3t"
"""Value of `gen_ai.provider.name`."""
EVALUATION = "gen_ai.evaluation.result"
"""Name of the event that carries a reward."""


def evaluation(name: str, value: float, label: str | None = None) -> dict[str, Any]:
    """Return the attributes of an event `EVALUATION`: `name` of what was judged, the score `value`, and `label`, the
    score in words."""
    return {
        "gen_ai.evaluation.name": name,
        "gen_ai.evaluation.score.value": float(value),
        "gen_ai.evaluation.score.label": label,
    }


def messages(parts: Sequence[Mapping[str, str]]) -> str:
    """Return the value of `gen_ai.input.messages` or `gen_ai.output.messages`: role and text of each message as
    JSON."""
    told = [{"role": part["role"], "parts": [{"type": "text", "content": part["content"]}]} for part in parts]
    return json.dumps(told, ensure_ascii=False)
