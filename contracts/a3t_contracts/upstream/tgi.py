"""Transport to Hugging Face's text-generation-inference (TGI) through huggingface_hub's own client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
from huggingface_hub import AsyncInferenceClient, set_async_client_factory
from huggingface_hub.errors import HfHubHTTPError, InferenceTimeoutError, TextGenerationError

from ..errors import A3TError
from ..outbound import trace_connections
from .failures import Failures

__all__ = ["TGITransport"]

_NO_TOKEN = "none"  # noqa: S105  without a token here, the client would send the token that is saved for the Hub


class TGITransport:
    """Connections to one server of Hugging Face's text-generation-inference.

    Args:
        server: address of the server, without a trailing slash.
        failures: makes the errors to raise.
        token: bearer token for the server; None sends none.
        timeout: seconds to wait for an answer.
    """

    def __init__(self, server: str, failures: Failures, *, token: str | None, timeout: float) -> None:
        self.server, self.failures, self.timeout = server, failures, timeout
        set_async_client_factory(_connections)
        self._client = AsyncInferenceClient(server, provider="hf-inference", token=token or _NO_TOKEN, timeout=timeout)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.exit_stack.aclose()

    async def model(self) -> str:
        """Return the name of the model that the server serves."""
        with self._told():
            return str((await self._client.get_endpoint_info())["model_id"])

    async def generate(self, prompt: str, **options: Any) -> Any:
        """Generate a completion with its details; `options` are those of `AsyncInferenceClient.text_generation`."""
        with self._told():
            return await self._ask("generate", prompt, options)

    async def stream(self, prompt: str, **options: Any) -> AsyncGenerator[Any]:
        """Generate a completion and yield it token by token; the last item has the whole text."""
        with self._told():
            async for item in await self._ask("generate_stream", prompt, options | {"stream": True}):
                yield item

    async def _ask(self, path: str, prompt: str, options: dict[str, Any]) -> Any:
        model = f"{self.server}/{path}"
        return await self._client.text_generation(prompt, model=model, details=True, return_full_text=False, **options)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except httpx2.HTTPError as error:
            raise self._typed(error) from error
        except (KeyError, TypeError, ValueError) as error:
            raise self.failures.strange(self.server, "TGI", error) from error

    def _typed(self, error: Exception) -> A3TError:
        if isinstance(error, InferenceTimeoutError | httpx2.TimeoutException):
            return self.failures.no_answer(self.server, self.timeout)
        cause = error.__cause__ or error.__context__
        if isinstance(error, TextGenerationError) and isinstance(cause, HfHubHTTPError):
            reply = cause.response
            return self.failures.refusal(self.server, reply.status_code, reply.content, str(error))
        response = getattr(error, "response", None)
        if response is None:
            return self.failures.out_of_reach(self.server, error)
        return self.failures.refusal(self.server, response.status_code, response.content, response.text)


def _connections() -> httpx2.AsyncClient:
    """Make the HTTP client for all servers. The Hub's own factory refuses every request under HF_HUB_OFFLINE, even to a
    local server. Redirects are not followed, because they could lead to any address."""
    return httpx2.AsyncClient(
        timeout=None, limits=httpx2.Limits(max_connections=None), event_hooks={"request": [_trace]}
    )


async def _trace(request: httpx2.Request) -> None:
    request.extensions = {**request.extensions, "trace": trace_connections}
