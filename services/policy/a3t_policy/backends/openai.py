"""Servers with OpenAI's API and vLLM's adapter endpoints: vLLM, SGLang, this service itself."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from a3t_contracts.errors import (
    A3TError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
    UpstreamError,
    error_from_response,
)

from ..generation import Delta, Generated, Generation, TokenInfo
from ..settings import PolicySettings
from ..versions import Version
from .cutting import stop_strings
from .proof import probe, prove_adapter
from .remote import RemoteBackend
from .upstreams import Upstream

__all__ = ["OpenAIBackend"]


class OpenAIBackend(RemoteBackend):
    """`POST /v1/completions` with token ids as prompt; adapters are loaded, read back and unloaded over HTTP.

    An upstream that restarted, or was away while a version was loaded, is given the version when it is next asked.
    """

    kind = "openai"

    def __init__(self, settings: PolicySettings) -> None:
        super().__init__(settings)
        token = settings.policy_upstream_token.get_secret_value()
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {token}"} if token else None,
            timeout=httpx.Timeout(settings.policy_upstream_timeout, connect=5.0, pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=settings.policy_upstream_concurrency),
        )
        self._base_name = settings.policy_upstream_model

    async def close(self) -> None:
        await super().close()
        await self._http.aclose()

    async def ask(self, server: Upstream, generation: Generation, version: Version) -> Generated:
        body = await self._body(server, generation, version)
        try:
            reply = await self._json(server, "POST", "/v1/completions", body)
        except NotFoundError:
            if not version.number or version.name not in server.adapters:
                raise
            server.adapters.discard(version.name)  # it restarted and holds nothing any more
            body = await self._body(server, generation, version)
            reply = await self._json(server, "POST", "/v1/completions", body)
        return _generated(server, reply, version, body)

    async def ask_stream(
        self, server: Upstream, generation: Generation, version: Version
    ) -> AsyncIterator[Delta | Generated]:
        body = await self._body(server, generation, version)
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        whole = Generated("", "length", version.name, len(generation.prompt_ids), 0)
        async for chunk in self._events(server, body):
            if usage := chunk.get("usage"):
                whole.completion_tokens = usage.get("completion_tokens", 0)
            for choice in chunk.get("choices", ()):
                whole.finish_reason = choice.get("finish_reason") or whole.finish_reason
                whole.stop_sequence = _stopped_by(choice) or whole.stop_sequence
                whole.text += choice.get("text") or ""
                yield Delta(choice.get("text") or "", version.name, _tokens(choice))
        yield whole

    async def put(self, version: Version) -> None:
        """Load it on every server that can be reached; one is enough, the others get it when they are asked."""
        failures: list[A3TError] = []
        for server in self.upstreams.servers:
            try:
                await self.upstreams.attempt(server, lambda s: self._ensure(s, version))
            except A3TError as error:
                failures.append(error)
        if len(failures) == len(self.upstreams.servers):
            raise failures[-1]

    async def drop(self, version: Version) -> None:
        for server in self.upstreams.servers:
            if version.name in server.adapters:
                server.adapters.discard(version.name)
                await self._send(server, "POST", "/v1/unload_lora_adapter", {"lora_name": version.name})

    async def _ensure(self, server: Upstream, version: Version) -> None:
        """Load a version on a server unless it is there, and read back that it is."""
        if version.name in server.adapters:
            return
        if version.name not in await self._listed(server):
            body = {"lora_name": version.name, "lora_path": self._path(version), "make_default": False}
            await self._send(server, "POST", "/v1/load_lora_adapter", body)
            if version.name not in await self._listed(server):
                raise UpstreamError(f"{server.url} took adapter {version.name!r} and does not list it.")
        await self._prove(server, version)
        server.adapters.add(version.name)

    async def _prove(self, server: Upstream, version: Version) -> None:
        """Find out servers that take any `model` for the base."""
        generation = probe(self.codec)

        async def ask(name: str) -> Generated:
            body = self._request(generation, name)
            return _generated(server, await self._json(server, "POST", "/v1/completions", body), version, body)

        try:
            await prove_adapter(ask, version.name, server.url)
        except InvalidInputError:
            await self._send(server, "POST", "/v1/unload_lora_adapter", {"lora_name": version.name})
            raise

    def _path(self, version: Version) -> str:
        """The version's folder as the upstreams see it."""
        if version.folder is None:
            raise UnavailableError(f"The files of version {version.name!r} are not at hand.")
        seen = self.settings.policy_upstream_registry
        return str(Path(seen) / version.name) if seen and version.explicit_path is None else str(version.folder)

    async def _listed(self, server: Upstream) -> list[str]:
        reply = await self._json(server, "GET", "/v1/models")
        try:
            return [str(entry["id"]) for entry in reply["data"]]
        except (KeyError, TypeError) as error:
            raise _strange(server, reply) from error

    async def _body(self, server: Upstream, generation: Generation, version: Version) -> dict[str, Any]:
        """The request; the version is loaded where the server lacks it."""
        return self._request(generation, await self._name(server, version))

    def _request(self, generation: Generation, model: str) -> dict[str, Any]:
        """Token ids go both ways where the server takes vLLM's extensions."""
        exact, sampling = self.settings.policy_upstream_token_ids, generation.sampling
        body: dict[str, Any] = {
            "model": model,
            "prompt": generation.prompt_ids if exact else generation.prompt_text,
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "logprobs": max(1, generation.top_logprobs),
        }
        if sampling.seed is not None:
            body["seed"] = sampling.seed
        if stop := stop_strings(generation):
            body["stop"] = stop
        if sampling.top_k:
            body["top_k"] = sampling.top_k
        if generation.ignore_eos:
            body["ignore_eos"] = True
        return body | ({"return_token_ids": True} if exact else {})

    async def _name(self, server: Upstream, version: Version) -> str:
        if version.number:
            await self._ensure(server, version)
            return version.name
        if self._base_name is None:
            listed = await self._listed(server)
            if not listed:
                raise UpstreamError(f"{server.url} serves no model.")
            self._base_name = listed[0]
        return self._base_name

    async def _json(self, server: Upstream, method: str, path: str, body: Any = None) -> Any:
        reply = await self._send(server, method, path, body)
        try:
            return reply.json()
        except ValueError as error:
            raise _strange(server, reply.text) from error

    async def _send(self, server: Upstream, method: str, path: str, body: Any = None) -> httpx.Response:
        try:
            reply = await self._http.request(method, server.url + path, json=body)
        except httpx.TransportError as error:
            raise UnavailableError(f"{server.url} cannot be reached: {error!r}") from error
        if not reply.is_success:
            raise _refusal(server, reply.status_code, reply.content)
        return reply

    async def _events(self, server: Upstream, body: Any) -> AsyncIterator[dict[str, Any]]:
        try:
            async with self._http.stream("POST", f"{server.url}/v1/completions", json=body) as reply:
                if not reply.is_success:
                    raise _refusal(server, reply.status_code, await reply.aread())
                async for line in reply.aiter_lines():
                    if line.startswith("data:") and line[5:].strip() != "[DONE]":
                        yield _chunk(server, line[5:])
        except httpx.TransportError as error:
            raise UnavailableError(f"{server.url} broke off: {error!r}") from error


def _generated(server: Upstream, reply: Any, version: Version, body: dict[str, Any]) -> Generated:
    try:
        choice, usage = reply["choices"][0], reply.get("usage") or {}
        ids = choice.get("token_ids")
        logprobs = (choice.get("logprobs") or {}).get("token_logprobs")
        prompt = usage.get("prompt_tokens", len(body["prompt"]) if isinstance(body["prompt"], list) else 0)
        return Generated(
            text=str(choice["text"]),
            finish_reason=choice["finish_reason"] or "stop",
            model=version.name,
            prompt_tokens=prompt,
            completion_tokens=usage.get("completion_tokens", len(ids or ())),
            ids=ids,
            logprobs=logprobs if ids is not None and logprobs and len(logprobs) == len(ids) else None,
            tokens=_tokens(choice) or None,
            stop_sequence=_stopped_by(choice),
        )
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise _strange(server, reply) from error


def _stopped_by(choice: dict[str, Any]) -> str | None:
    """The stop string that ended it, where the server tells: vLLM and this service, SGLang."""
    found = choice.get("stop_reason") or choice.get("matched_stop")
    return found if isinstance(found, str) else None


def _tokens(choice: dict[str, Any]) -> list[TokenInfo]:
    """Tokens of a choice or a chunk, where ids and log-probabilities came with it."""
    ids, given = choice.get("token_ids"), choice.get("logprobs") or {}
    texts, logprobs = given.get("tokens") or [], given.get("token_logprobs") or []
    if not ids or not len(ids) == len(texts) == len(logprobs):
        return []
    rows = given.get("top_logprobs") or []
    tops = [tuple((row or {}).items()) for row in rows] if len(rows) == len(ids) else [()] * len(ids)
    found = zip(ids, texts, logprobs, tops, strict=True)
    return [TokenInfo(i, text, logprob, top_names=top) for i, text, logprob, top in found]


def _chunk(server: Upstream, data: str) -> dict[str, Any]:
    try:
        chunk = json.loads(data)
    except ValueError as error:
        raise _strange(server, data) from error
    if not isinstance(chunk, dict) or "error" in chunk:
        raise UpstreamError(f"{server.url} failed in the middle of a completion: {data.strip()[:300]}")
    return chunk


def _refusal(server: Upstream, status: int, body: bytes) -> A3TError:
    """What the refusal means for our client: its own mistakes stay 4xx, a wrong token between us does not."""
    if status in (401, 403):
        return UpstreamError(f"{server.url} refuses our token.", hint="Check A3T_POLICY_UPSTREAM_TOKEN.")
    if status >= 500 and status not in (503, 504):
        return UpstreamError(f"{server.url} answered {status}: {body[:300].decode('utf-8', 'replace')}")
    return error_from_response(status, body, server.url)


def _strange(server: Upstream, reply: Any) -> UpstreamError:
    return UpstreamError(f"{server.url} gave a reply of another form than OpenAI's: {str(reply)[:300]}")
