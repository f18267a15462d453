"""Hugging Face's text-generation-inference, through huggingface_hub's own client."""

from __future__ import annotations

from typing import Any

import httpx2
from huggingface_hub import AsyncInferenceClient, set_async_client_factory
from huggingface_hub.errors import HfHubHTTPError, InferenceTimeoutError, TextGenerationError

from a3t_contracts.errors import A3TError, UpstreamError

from .base import STOP, Completion, cut_at_stop, no_answer, out_of_reach, refusal

__all__ = ["TGIBackend"]

_NO_TOKEN = "none"  # noqa: S105  without any, the client would send the token that is saved for the Hub


class TGIBackend:
    """`POST /generate`; the server serves one model, whose name it tells.

    Args:
        url: base URL of the server.
        token: bearer token, if the server wants one.
        model: name to record; None takes that of `/info`.
        max_tokens: longest completion.
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
        self.url = url.rstrip("/")
        self.timeout = timeout
        self._model = model
        self._ask_model = model is None
        self._max_tokens = max_tokens
        set_async_client_factory(_connections)
        self._client = AsyncInferenceClient(
            self.url, provider="hf-inference", token=token or _NO_TOKEN, timeout=timeout
        )

    async def model(self, refresh: bool = False) -> str:
        if self._model is None or (refresh and self._ask_model):
            try:
                info = await self._client.get_endpoint_info()
                self._model = str(info["model_id"])
            except (KeyError, TypeError, ValueError) as error:
                raise self._strange(error) from error
            except httpx2.HTTPError as error:
                raise self._typed(error) from error
        return self._model

    async def complete(self, prompt: str, temperature: float, seed: int) -> Completion:
        sampling: dict[str, Any] = {"do_sample": True, "temperature": temperature} if temperature > 0 else {}
        try:
            reply = await self._client.text_generation(
                prompt,
                model=f"{self.url}/generate",
                details=True,
                max_new_tokens=self._max_tokens,
                return_full_text=False,
                seed=seed,
                stop=list(STOP),
                **sampling,
            )
        except httpx2.HTTPError as error:
            raise self._typed(error) from error
        except (KeyError, TypeError, ValueError) as error:
            raise self._strange(error) from error
        return self._answer(reply)

    async def aclose(self) -> None:
        await self._client.exit_stack.aclose()

    def _answer(self, reply: Any) -> Completion:
        details = reply.details
        whole = details is None or details.finish_reason != "length"
        return Completion(cut_at_stop(reply.generated_text), whole, None, details and details.generated_tokens)

    def _typed(self, error: Exception) -> A3TError:
        if isinstance(error, InferenceTimeoutError | httpx2.TimeoutException):
            return no_answer(self.url, self.timeout)
        response = getattr(error, "response", None)
        if response is not None:
            return refusal(self.url, response.status_code, response.text)
        cause = error.__cause__ or error.__context__
        if isinstance(error, TextGenerationError) and isinstance(cause, HfHubHTTPError):
            return refusal(self.url, cause.response.status_code, str(error))
        return out_of_reach(self.url, error)

    def _strange(self, error: Exception) -> UpstreamError:
        return UpstreamError(
            f"The LLM server at {self.url} gave a reply of another form than TGI's: {error!r}.",
            hint="Check A3T_ACTRE_UPSTREAM_URL and A3T_ACTRE_BACKEND.",
            passing=True,
        )


def _connections() -> httpx2.AsyncClient:
    """The Hub's own factory refuses every request under HF_HUB_OFFLINE, also those to a server of one's own."""
    return httpx2.AsyncClient(
        follow_redirects=True,
        timeout=None,
        limits=httpx2.Limits(max_connections=128, max_keepalive_connections=128),
    )
