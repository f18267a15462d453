"""`--judge`: an LLM marks every reason from 1 to 5."""

from __future__ import annotations

import re

from a3t_contracts.errors import A3TError, InvalidInputError
from a3t_contracts.react import render_history
from a3t_contracts.schemas import ReasonQuery

from ..app import create_backend
from ..settings import ActReSettings

__all__ = ["Judge"]

_MARK = re.compile(r"[1-5]")
_SHOWN = 6_000
"""Number of characters at the end of the history that the judge reads."""
_PROMPT = """You check the thoughts of an agent. Below is what it had seen and done, then a thought and the action that
followed it. Mark the thought from 1 to 5.

5: it says why this action makes sense, from what is visible, and nothing else.
3: it is vague, or says only what the action does.
1: it is wrong, is about another action, or knows what is not visible yet.

{history}
Thought: {reason}
Action: {action}

Mark (one digit from 1 to 5):"""


class Judge:
    """Asks the LLM server of the settings. Use as an async context manager."""

    def __init__(self, settings: ActReSettings) -> None:
        if not settings.actre_upstream_url:
            raise InvalidInputError("--judge needs an LLM.", hint="Set A3T_ACTRE_UPSTREAM_URL.")
        self._backend = create_backend(settings, settings.actre_upstream_url)
        self.failed = 0
        """Number of marks that the LLM did not give."""

    async def __aenter__(self) -> Judge:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._backend.aclose()

    async def mark(self, query: ReasonQuery, reason: str) -> int | None:
        """Ask for the mark of a reason, from 1 to 5; None if the LLM gave none."""
        history = "".join(segment.text for segment in render_history(query.history))[-_SHOWN:]
        prompt = _PROMPT.format(history=history, reason=reason, action=query.action)
        try:
            completion = await self._backend.complete(prompt, 0.0, seed=0)
        except A3TError:
            self.failed += 1
            return None
        found = _MARK.search(completion.text)
        if found is None:
            self.failed += 1
            return None
        return int(found[0])
