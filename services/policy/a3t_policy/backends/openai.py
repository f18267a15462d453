"""Backend for servers with OpenAI's API and vLLM's adapter endpoints: vLLM, SGLang, this service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from typing_extensions import override

from a3t_contracts.errors import A3TError, InvalidInputError, NotFoundError, UnavailableError, UpstreamError
from a3t_contracts.upstream.openai import OpenAITransport

from ..generation import Delta, Generated, Generation, TokenInfo
from ..settings import PolicySettings
from ..versions import Version
from .cutting import require_exact_ids, stop_strings
from .failures import UpstreamFailures
from .proof import probe, prove_adapter
from .remote import RemoteBackend
from .upstreams import Upstream

__all__ = ["OpenAIBackend"]

_FAILURES = UpstreamFailures()


class OpenAIBackend(RemoteBackend):
    """Calls `POST /v1/completions` with token ids as prompt, and loads, checks and unloads adapters over HTTP.

    If a server restarts, or could not be reached while a version was loaded, it gets the version before its next
    request.
    """

    kind = "openai"

    def __init__(self, settings: PolicySettings) -> None:
        super().__init__(settings)
        self._http = OpenAITransport(
            _FAILURES,
            token=settings.policy_upstream_token.get_secret_value(),
            timeout=max(settings.policy_upstream_timeout, settings.policy_upstream_first_timeout),
            connect=5.0,
            connections=None,
            kept=settings.policy_upstream_concurrency,
        )
        self._base_name = settings.policy_upstream_model

    @override
    async def close(self) -> None:
        await super().close()
        await self._http.aclose()

    @override
    async def ask(self, server: Upstream, generation: Generation, version: Version) -> Generated:
        body = await self._body(server, generation, version)
        load = server.adapters.get(version.name, 0)
        try:
            reply = await self._http.json(server.url, "POST", "/v1/completions", body)
        except NotFoundError:
            if not version.number:
                raise
            server.lost(version.name, load)  # it restarted and has no adapters any more
            body = await self._body(server, generation, version)
            reply = await self._http.json(server.url, "POST", "/v1/completions", body)
        return _generated(server, reply, version, body)

    @override
    async def ask_stream(
        self, server: Upstream, generation: Generation, version: Version
    ) -> AsyncIterator[Delta | Generated]:
        body = await self._body(server, generation, version)
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        whole = Generated("", "length", version.name, len(generation.prompt_ids), 0)
        async for chunk in self._http.events(server.url, "/v1/completions", body):
            if not isinstance(chunk, dict) or "error" in chunk:
                raise UpstreamError(f"{server.url} failed in the middle of a completion: {str(chunk)[:300]}")
            if usage := chunk.get("usage"):
                whole.completion_tokens = usage.get("completion_tokens", 0)
            for choice in chunk.get("choices", ()):
                whole.finish_reason = choice.get("finish_reason") or whole.finish_reason
                whole.stop_sequence = _stopped_by(choice) or whole.stop_sequence
                whole.text += choice.get("text") or ""
                yield Delta(choice.get("text") or "", version.name, _tokens(choice))
        yield whole

    async def put(self, version: Version) -> None:
        """Load a version on every server that answers. One is enough; the others get it before their next request."""
        failures: list[A3TError] = []
        for server in self.upstreams.servers:
            try:
                await self.upstreams.attempt(server, lambda s: self._ensure(s, version), loading=True)
            except A3TError as error:
                failures.append(error)
        if len(failures) == len(self.upstreams.servers):
            raise failures[-1]

    @override
    async def drop(self, version: Version) -> None:
        for server in self.upstreams.servers:
            if version.name in server.adapters:
                del server.adapters[version.name]
                await self._http.send(server.url, "POST", "/v1/unload_lora_adapter", {"lora_name": version.name})

    async def _ensure(self, server: Upstream, version: Version) -> None:
        """Load a version on a server that lacks it, and check that the server lists it."""
        if version.name in server.adapters:
            return
        async with server.loading:
            if version.name not in server.adapters:
                await self._load(server, version)
                server.loaded(version.name)

    async def _load(self, server: Upstream, version: Version) -> None:
        path = self._path(version)
        roots = await self._roots(server)
        if roots.get(version.name, path) not in (path, None):  # the server has other files under this name
            await self._http.send(server.url, "POST", "/v1/unload_lora_adapter", {"lora_name": version.name})
            del roots[version.name]
        if version.name not in roots:
            body = {"lora_name": version.name, "lora_path": path, "make_default": False}
            await self._post_load(server, body)
            if version.name not in await self._roots(server):
                raise UpstreamError(
                    f"{server.url} accepted adapter {version.name!r} but does not list it.",
                    hint="Check that the server may load adapters at run time (vLLM: "
                    "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1).",
                )
        await self._prove(server, version)

    async def _post_load(self, server: Upstream, body: dict[str, Any]) -> None:
        """Ask a server to load an adapter. vLLM answers 500 if the rank is too large, which another attempt cannot
        change.
        """
        try:
            await self._http.send(server.url, "POST", "/v1/load_lora_adapter", body)
        except UpstreamError as error:
            if "max_lora_rank" not in error.detail:
                raise
            raise InvalidInputError(
                f"{server.url} does not take adapter {body['lora_name']!r}: {error.detail}",
                hint="Start vLLM with a larger --max-lora-rank, or train with a smaller lora.rank.",
            ) from error

    async def _roots(self, server: Upstream) -> dict[str, str | None]:
        """The models that the server lists, each with the folder from which the server says it was loaded."""
        reply = await self._http.json(server.url, "GET", "/v1/models")
        try:
            return {str(entry["id"]): entry.get("root") for entry in reply["data"]}
        except (KeyError, TypeError, AttributeError) as error:
            raise _FAILURES.strange(server.url, "OpenAI", reply) from error

    async def _prove(self, server: Upstream, version: Version) -> None:
        """Detect a server that ignores the name of the adapter and answers with the base."""
        generation = probe(self.codec)

        async def ask(name: str) -> Generated:
            body = self._request(generation, name)
            return _generated(server, await self._http.json(server.url, "POST", "/v1/completions", body), version, body)

        try:
            await prove_adapter(ask, version.name, server.url)
        except InvalidInputError:
            await self._http.send(server.url, "POST", "/v1/unload_lora_adapter", {"lora_name": version.name})
            raise

    def _path(self, version: Version) -> str:
        """Path of the version's folder on the servers."""
        if version.folder is None:
            raise UnavailableError(f"The files of version {version.name!r} are not available.")
        seen = self.settings.policy_upstream_registry
        return str(Path(seen) / version.name) if seen and version.explicit_path is None else str(version.folder)

    async def _body(self, server: Upstream, generation: Generation, version: Version) -> dict[str, Any]:
        """The body of a request; loads the version if the server lacks it."""
        require_exact_ids(generation, self.settings.policy_upstream_token_ids, server.url)
        return self._request(generation, await self._name(server, version))

    def _request(self, generation: Generation, model: str) -> dict[str, Any]:
        """The request without the model's name. Token ids are sent and returned if the server has vLLM's extensions."""
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
            listed = await self._http.models(server.url, "/v1/models")
            if not listed:
                raise UpstreamError(
                    f"{server.url} serves no model.",
                    hint="Start the server with a model, or set A3T_POLICY_UPSTREAM_MODEL.",
                )
            self._base_name = listed[0]
        return self._base_name


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
        raise _FAILURES.strange(server.url, "OpenAI", reply) from error


def _stopped_by(choice: dict[str, Any]) -> str | None:
    """The stop string that ended the choice, if the server reports it (vLLM, SGLang and this service do)."""
    found = choice.get("stop_reason") or choice.get("matched_stop")
    return found if isinstance(found, str) else None


def _tokens(choice: dict[str, Any]) -> list[TokenInfo]:
    """Tokens of a choice or chunk, if it has ids and log-probabilities."""
    ids, given = choice.get("token_ids"), choice.get("logprobs") or {}
    texts, logprobs = given.get("tokens") or [], given.get("token_logprobs") or []
    if not ids or not len(ids) == len(texts) == len(logprobs):
        return []
    rows = given.get("top_logprobs") or []
    tops = [tuple((row or {}).items()) for row in rows] if len(rows) == len(ids) else [()] * len(ids)
    found = zip(ids, texts, logprobs, tops, strict=True)
    return [TokenInfo(i, text, logprob, top_names=top) for i, text, logprob, top in found]
