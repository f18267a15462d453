"""Backend for servers of Hugging Face's text-generation-inference (TGI)."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from a3t_contracts.upstream.tgi import TGITransport

from .base import STOP, Backend, Completion, LLMFailures, cut_at_stop

__all__ = ["TGIBackend"]


class TGIBackend(Backend):
    """Calls `POST /generate`. A TGI server serves one model, whose name it reports.

    Args:
        url: base URL of the server.
        token: bearer token for the server; default: no token.
        model: name of the model in results; default: the name in `/info`.
        max_tokens: largest number of tokens of a completion.
        timeout: seconds for one call.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        model: str | None = None,
        max_tokens: int = 96,
        timeout: float = 30.0,
    ) -> None:
        self._transport = TGITransport(url.rstrip("/"), LLMFailures(), token=token, timeout=timeout)
        self._model = model
        self._ask_model = model is None
        self._max_tokens = max_tokens

    @override
    async def model(self, refresh: bool = False) -> str:
        if self._model is None or (refresh and self._ask_model):
            self._model = await self._transport.model()
        return self._model

    @override
    async def complete(self, prompt: str, temperature: float, seed: int) -> Completion:
        sampling: dict[str, Any] = {"do_sample": True, "temperature": temperature} if temperature > 0 else {}
        reply = await self._transport.generate(
            prompt, max_new_tokens=self._max_tokens, seed=seed, stop=list(STOP), **sampling
        )
        return self._answer(reply)

    @override
    async def aclose(self) -> None:
        await self._transport.aclose()

    def _answer(self, reply: Any) -> Completion:
        details = reply.details
        whole = details is None or details.finish_reason != "length"
        return Completion(cut_at_stop(reply.generated_text), whole, None, details and details.generated_tokens)
