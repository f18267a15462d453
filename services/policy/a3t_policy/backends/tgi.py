"""text-generation-inference servers, through huggingface_hub's client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from typing_extensions import override

from a3t_contracts.errors import A3TError, InvalidInputError, OverloadedError, UpstreamError
from a3t_contracts.upstream.tgi import TGITransport

from ..generation import Delta, Generated, Generation, TokenInfo
from ..settings import PolicySettings
from ..versions import Version
from .cutting import require_exact_ids, stop_strings
from .failures import UpstreamFailures
from .proof import probe, prove_adapter
from .remote import RemoteBackend
from .upstreams import Upstream

__all__ = ["TGIBackend"]


class TGIBackend(RemoteBackend):
    """Calls `POST /generate` with `adapter_id`.

    TGI loads adapters only when it starts, and answers an unknown adapter name with the base. To load a version, this
    backend therefore checks that the servers answer with the version.
    """

    kind = "tgi"

    def __init__(self, settings: PolicySettings) -> None:
        super().__init__(settings)
        self._proved: set[tuple[str, str, int]] = set()
        token, timeout = settings.policy_upstream_token.get_secret_value(), settings.policy_upstream_timeout
        self._transports = {
            url: TGITransport(url, UpstreamFailures(), token=token, timeout=timeout) for url in settings.upstream_urls
        }

    @override
    async def close(self) -> None:
        await super().close()
        for transport in self._transports.values():
            await transport.aclose()

    @override
    async def ask(self, server: Upstream, generation: Generation, version: Version) -> Generated:
        require_exact_ids(generation, False, server.url)
        await self._ensure(server, version)
        options = _options(generation, version.name if version.number else None)
        reply = await self._transports[server.url].generate(generation.prompt_text, **options)
        details = reply.details
        tokens = _tokens(details.tokens) if details is not None else []
        return _done(reply.generated_text, details, tokens, generation, version)

    @override
    async def ask_stream(
        self, server: Upstream, generation: Generation, version: Version
    ) -> AsyncIterator[Delta | Generated]:
        tokens: list[TokenInfo] = []
        held = ""
        await self._ensure(server, version)
        options = _options(generation, version.name if version.number else None)
        async with aclosing(self._transports[server.url].stream(generation.prompt_text, **options)) as news:
            async for item in news:
                new = _tokens([item.token])
                tokens += new
                if item.generated_text is not None:
                    yield Delta(
                        "", version.name, new
                    )  # the text may belong to a stop string; the finished completion has the rest
                    yield _done(item.generated_text, item.details, tokens, generation, version)
                    return
                piece = held + ("" if item.token.special else item.token.text)
                sure = _sure(piece, stop_strings(generation))
                held = piece[sure:]
                yield Delta(piece[:sure], version.name, new)
        raise UpstreamError(f"{server.url} ended a stream without its last event.")

    async def put(self, version: Version) -> None:
        """Check the version on every server that answers. One is enough; the others are checked before their next
        request."""
        failures: list[A3TError] = []
        for server in self.upstreams.servers:
            try:
                await self.upstreams.attempt(server, lambda s: self._ensure(s, version))
            except InvalidInputError:
                raise
            except A3TError as error:
                failures.append(error)
        if len(failures) == len(self.upstreams.servers):
            raise failures[-1]

    async def _ensure(self, server: Upstream, version: Version) -> None:
        """Check that a server answers with the version's adapter, unless it was checked and has not failed since."""
        proof = (server.url, version.name, server.failures)  # after a failure, another process may run at this address
        if not version.number or proof in self._proved:
            return
        generation = probe(self.codec)

        async def ask(name: str) -> Generated:
            options = _options(generation, name)
            reply = await self._transports[server.url].generate(generation.prompt_text, **options)
            details = reply.details
            tokens = _tokens(details.tokens) if details is not None else []
            return _done(reply.generated_text, details, tokens, generation, version)

        try:
            await prove_adapter(ask, version.name, server.url)
        except A3TError as error:
            if error.status >= 500 or isinstance(error, OverloadedError):
                raise
            raise InvalidInputError(
                f"{server.url} does not serve adapter {version.name!r}: {error.detail}",
                hint=f"TGI loads adapters at its start: LORA_ADAPTERS={version.name}={version.folder}.",
            ) from error
        self._proved.add(proof)

    async def drop(self, version: Version) -> None:
        """Do nothing: TGI keeps its adapters until it stops."""


def _options(generation: Generation, adapter: str | None) -> dict[str, Any]:
    """The sampling options under TGI's names."""
    sampling = generation.sampling
    options: dict[str, Any] = {
        "adapter_id": adapter,
        "max_new_tokens": sampling.max_tokens,
        "stop": stop_strings(generation) or None,
    }
    if sampling.temperature > 0:
        options |= {"do_sample": True, "temperature": sampling.temperature, "seed": sampling.seed}
        options |= {"top_p": sampling.top_p} if sampling.top_p < 1 else {}
        options |= {"top_k": sampling.top_k} if sampling.top_k else {}
    return options


def _done(text: str, details: Any, tokens: list[TokenInfo], generation: Generation, version: Version) -> Generated:
    """The finished completion. `details` are TGI's and say how it ended; None if TGI sent none."""
    said = [token for token in tokens if not token.special]
    reason = details.finish_reason if details is not None else "stop"
    stop = _stop_at_end(text, generation) if reason != "eos_token" else None
    return Generated(
        text=text.removesuffix(stop or ""),
        finish_reason="length" if reason == "length" and stop is None else "stop",
        stop_sequence="eos" if reason == "eos_token" else stop,
        model=version.name,
        prompt_tokens=len(generation.prompt_ids),
        completion_tokens=len(tokens),
        ids=[token.id for token in said] or None,
        logprobs=[token.logprob for token in said] or None,
        tokens=tokens or None,
    )


def _tokens(tokens: Any) -> list[TokenInfo]:
    return [TokenInfo(t.id, t.text, t.logprob if t.logprob is not None else 0.0, special=t.special) for t in tokens]


def _stop_at_end(text: str, generation: Generation) -> str | None:
    """The stop sequence at the end of TGI's text; OpenAI and this service cut it off. An agent's turn is cut later."""
    if generation.act:
        return None
    return next((stop for stop in stop_strings(generation) if text.endswith(stop)), None)


def _sure(piece: str, stops: list[str]) -> int:
    """Length of the beginning of a text that no stop string can still remove."""
    longest = max((len(stop) for stop in stops), default=0)
    for start in range(max(0, len(piece) - longest), len(piece)):
        if any(stop.startswith(piece[start:]) or piece[start:].startswith(stop) for stop in stops):
            return start
    return len(piece)
