"""The outcome label of the label-prefix objective: it stands at the head of the preamble, where the agent reads it.

Training puts each trajectory's own outcome there. Whoever asks a policy that was trained so puts
`labelled_preamble(preamble, success=True)` into the history.
"""

from __future__ import annotations

import re

__all__ = ["labelled_preamble"]

_LABEL = re.compile(r"\AOutcome: (?:success|failure)\n\n")


def labelled_preamble(preamble: str, *, success: bool) -> str:
    """The preamble behind its label; a label that stands there already is replaced."""
    bare = _LABEL.sub("", preamble)
    return f"Outcome: {'success' if success else 'failure'}\n\n{bare}"
