"""Names of OpenTelemetry's semantic conventions for generative AI, and attributes of our own, `a3t.…`.

Written out here because the conventions' package calls them incubating, and would have to be imported where nothing is
traced.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["EVALUATION", "PROVIDER", "evaluation", "messages"]

PROVIDER = "a3t"
"""Value of `gen_ai.provider.name`."""
EVALUATION = "gen_ai.evaluation.result"
"""Name of the event that tells a reward."""


def evaluation(name: str, value: float, label: str | None = None) -> dict[str, Any]:
    """Attributes of an event `EVALUATION`: what was judged, the number, and the number in a word."""
    return {
        "gen_ai.evaluation.name": name,
        "gen_ai.evaluation.score.value": float(value),
        "gen_ai.evaluation.score.label": label,
    }


def messages(parts: Sequence[Mapping[str, str]]) -> str:
    """Value of `gen_ai.input.messages` or `gen_ai.output.messages`: role and text of each message as JSON."""
    told = [{"role": part["role"], "parts": [{"type": "text", "content": part["content"]}]} for part in parts]
    return json.dumps(told, ensure_ascii=False)
