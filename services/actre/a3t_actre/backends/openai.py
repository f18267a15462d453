"""Backend for servers with OpenAI's API: vLLM, SGLang, llama.cpp, the policy service of this project, OpenAI."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import override

from a3t_contracts.upstream.openai import OpenAITransport

from .base import STOP, Backend, Completion, LLMFailures, cut_at_stop

__all__ = ["OpenAIBackend"]

_FAILURES = LLMFailures()


class OpenAIBackend(Backend):
    """Asks for text completions, or for chat completions from servers without text completions.

    Args:
        url: base URL with its `/v1`.
        token: bearer token for the server; default: no token.
        model: name of the model in requests; default: the first one of `/models`.
        api: endpoint to use.
        max_tokens: largest number of tokens of a completion.
        timeout: seconds for one call.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        model: str | None = None,
        api: Literal["completions", "chat"] = "completions",
        max_tokens: int = 96,
        timeout: float = 30.0,
    ) -> None:
        self.url = url.rstrip("/")
        self._model = model
        self._ask_model = model is None
        self._api = api
        self._max_tokens = max_tokens
        self._http = OpenAITransport(
            _FAILURES, token=token, timeout=timeout, connect=min(10.0, timeout), connections=128, kept=128
        )

    @override
    async def model(self, refresh: bool = False) -> str:
        if self._model is None or (refresh and self._ask_model):
            listed = await self._http.models(self.url, "/models")
            if not listed:
                raise _FAILURES.strange(self.url, "OpenAI", listed)
            self._model = listed[0]
        return self._model

    @override
    async def complete(self, prompt: str, temperature: float, seed: int) -> Completion:
        path, asked = self._question(prompt)
        body = asked | {
            "model": await self.model(),
            "max_tokens": self._max_tokens,
            "temperature": temperature,
            "seed": seed,
            "stop": list(STOP),
        }
        return self._answer(await self._http.json(self.url, "POST", path, body))

    @override
    async def aclose(self) -> None:
        await self._http.aclose()

    def _question(self, prompt: str) -> tuple[str, dict[str, Any]]:
        if self._api == "completions":
            return "/completions", {"prompt": prompt}
        return "/chat/completions", {"messages": [{"role": "user", "content": prompt}]}

    def _answer(self, reply: Any) -> Completion:
        try:
            choice = reply["choices"][0]
            text = choice["text"] if self._api == "completions" else choice["message"]["content"] or ""
            whole = choice.get("finish_reason") != "length"
            usage = reply.get("usage") or {}
            return Completion(cut_at_stop(text), whole, usage.get("prompt_tokens"), usage.get("completion_tokens"))
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise _FAILURES.strange(self.url, "OpenAI", reply) from error
