"""Any server with OpenAI's API: vLLM, SGLang, llama.cpp, the policy service of this project, OpenAI itself."""

from __future__ import annotations

from typing import Any, Literal

import httpx

from a3t_contracts.errors import UpstreamError

from .base import STOP, Completion, cut_at_stop, no_answer, out_of_reach, refusal

__all__ = ["OpenAIBackend"]


class OpenAIBackend:
    """Text completions, or chat completions for servers that have only those.

    Args:
        url: base URL, with its `/v1`.
        token: bearer token, if the server wants one.
        model: model to name; None takes the first of `/models`.
        api: which of the two endpoints to use.
        max_tokens: longest completion.
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
        self.timeout = timeout
        self._model = model
        self._ask_model = model is None
        self._api = api
        self._max_tokens = max_tokens
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"} if token else None,
            timeout=httpx.Timeout(timeout, connect=min(10.0, timeout), pool=None),
            limits=httpx.Limits(max_connections=128, max_keepalive_connections=128),
        )

    async def model(self, refresh: bool = False) -> str:
        if self._model is None or (refresh and self._ask_model):
            listed = await self._call("GET", "/models", None)
            try:
                self._model = str(listed["data"][0]["id"])
            except (KeyError, IndexError, TypeError) as error:
                raise self._strange(listed) from error
        return self._model

    async def complete(self, prompt: str, temperature: float, seed: int) -> Completion:
        path, asked = self._question(prompt)
        body = asked | {
            "model": await self.model(),
            "max_tokens": self._max_tokens,
            "temperature": temperature,
            "seed": seed,
            "stop": list(STOP),
        }
        return self._answer(await self._call("POST", path, body))

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
            raise self._strange(reply) from error

    async def _call(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        try:
            reply = await self._http.request(method, path, json=body)
        except httpx.TimeoutException as error:
            raise no_answer(self.url, self.timeout) from error
        except httpx.HTTPError as error:
            raise out_of_reach(self.url, error) from error
        if not reply.is_success:
            raise refusal(self.url, reply.status_code, reply.text)
        try:
            return reply.json()
        except ValueError as error:
            raise self._strange(reply.text) from error

    def _strange(self, reply: Any) -> UpstreamError:
        return UpstreamError(
            f"The LLM server at {self.url} gave a reply of another form than OpenAI's: {str(reply)[:200]!r}.",
            hint="Check A3T_ACTRE_UPSTREAM_URL and A3T_ACTRE_BACKEND.",
            passing=True,
        )
