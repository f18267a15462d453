"""The outcome label of the label-prefix objective: it stands at the head of the preamble, where the agent reads it.

Training puts each trajectory's own outcome there. The orchestrator asks a policy that was trained so behind
`labelled_preamble(preamble, success=True)`; whoever else asks one does the same.
"""

from __future__ import annotations

import re

__all__ = ["labelled_preamble", "unlabelled_preamble"]

_LABEL = re.compile(r"\AOutcome: (?:success|failure)\n\n")


def labelled_preamble(preamble: str, *, success: bool) -> str:
    """The preamble behind its label; a label that stands there already is replaced."""
    return f"Outcome: {'success' if success else 'failure'}\n\n{unlabelled_preamble(preamble)}"


def unlabelled_preamble(preamble: str) -> str:
    """The preamble without a label."""
    return _LABEL.sub("", preamble)
