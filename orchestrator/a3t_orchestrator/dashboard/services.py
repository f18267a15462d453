"""Calls of the dashboard to the other services."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from a3t_contracts.clients import PolicyClient, RetryPolicy, TrainerClient
from a3t_contracts.errors import A3TError, UnavailableError
from a3t_contracts.schemas import JobEvent, Step
from a3t_contracts.schemas.policy import LiveState

from ..settings import OrchestratorSettings

__all__ = ["Replica", "ServiceState", "job_events", "policy_replicas", "service_states", "token_texts", "trainer"]

_PATIENCE = 3.0
_EVENTS = 10_000
_ONCE = RetryPolicy(attempts=1)


@dataclass(frozen=True, slots=True)
class ServiceState:
    """The state of a service, as its probes report it."""

    name: str
    url: str
    ready: bool
    version: str = ""
    detail: str = ""
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Replica:
    """A policy replica and the version that it serves. `trouble` says why the version is not known."""

    url: str
    live: LiveState | None
    trouble: str = ""


@asynccontextmanager
async def trainer(settings: OrchestratorSettings) -> AsyncIterator[TrainerClient]:
    """Open a client of the trainer. Raises UnavailableError where its address is not known."""
    if not settings.trainer_url:
        raise UnavailableError("The address of the trainer service is not known.", hint="Set A3T_TRAINER_URL.")
    token = settings.token.get_secret_value()
    async with TrainerClient(settings.trainer_url, token, timeout=10.0, retry=_ONCE) as client:
        yield client


async def job_events(client: TrainerClient, job_id: str) -> list[JobEvent]:
    """Read all events of a fine-tuning job."""
    found: list[JobEvent] = []
    while True:
        page = await client.events(job_id, after=found[-1].seq if found else -1, limit=_EVENTS)
        found += page.data
        if not page.has_more or not page.data:
            return found


async def token_texts(settings: OrchestratorSettings, step: Step) -> list[str] | None:
    """Ask the policy service for the text of each token of a step's turn. Returns None where the service does not
    answer, or where the texts do not form the turn because another base model wrote it."""
    if not settings.policy_url or not step.completion_ids or not step.completion:
        return None
    token = settings.token.get_secret_value()
    try:
        async with PolicyClient(settings.policy_url, token, timeout=_PATIENCE, retry=_ONCE) as client:
            texts = await client.detokenize(step.completion_ids)
    except A3TError:
        return None
    return texts if _are_of(texts, step.completion) else None


def _are_of(texts: Sequence[str], completion: str) -> bool:
    """Return whether the texts of tokens form a completion. Tokens that are parts of characters have no text; then the
    other texts must occur in the completion in order."""
    whole = [text for text in texts if not text.startswith("bytes:")]
    if len(whole) == len(texts):
        return completion.strip() in "".join(texts)
    at = 0
    for text in map(str.strip, whole):
        found = completion.find(text, at)
        if found < 0:
            return False
        at = found + len(text)
    return True


async def service_states(settings: OrchestratorSettings) -> list[ServiceState]:
    """Read the state of every service whose address is known."""
    urls = {name: url for name, url in settings.service_urls.items() if url}
    return await asyncio.gather(*(_state(name, url) for name, url in urls.items()))


async def policy_replicas(settings: OrchestratorSettings) -> list[Replica]:
    """Read the state of every policy replica. Several replicas are found where the host name of the address resolves to
    several machines."""
    if not settings.policy_url:
        return []
    token = settings.token.get_secret_value()
    urls = await asyncio.to_thread(_addresses, settings.policy_url)
    return await asyncio.gather(*(_replica(url, token) for url in urls))


async def _state(name: str, url: str) -> ServiceState:
    try:
        async with httpx.AsyncClient(timeout=_PATIENCE) as client:
            health, ready = await asyncio.gather(client.get(f"{url}/health"), client.get(f"{url}/ready"))
        version, told = str(health.json().get("version", "")), ready.json()
    except httpx.HTTPError as error:
        return ServiceState(name, url, ready=False, detail=f"does not answer ({type(error).__name__})")
    except ValueError:
        return ServiceState(name, url, ready=False, detail="its reply is not JSON")
    if ready.status_code != 200:
        return ServiceState(name, url, ready=False, version=version, detail=str(told.get("detail", "is not ready")))
    figures = {key: value for key, value in told.items() if key != "status" and not isinstance(value, list)}
    return ServiceState(name, url, ready=True, version=version, figures=_flat(figures))


_IN_WORDS = {"missing": "no data for"}
"""Name of a service's figure → clearer name on the page."""


def _flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Flatten nested figures into names and values. Of members with text values only the names are kept; null values
    are left out."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = _IN_WORDS.get(key, f"{before}{key}".replace("_", " "))
        if not isinstance(value, dict):
            found |= {} if value is None else {name: value}
        elif any(isinstance(member, str) for member in value.values()):
            found[name] = ", ".join(value)
        else:
            found |= _flat(value, f"{key} ")
    return found


async def _replica(url: str, token: str) -> Replica:
    try:
        async with PolicyClient(url, token, timeout=_PATIENCE, retry=_ONCE) as client:
            return Replica(url, await client.live())
    except A3TError as error:
        return Replica(url, None, error.detail)


def _addresses(url: str) -> list[str]:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        return [url]
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 80, family=socket.AF_INET, type=socket.SOCK_STREAM)
    except OSError:
        return [url]
    hosts = sorted({str(entry[4][0]) for entry in found})
    if len(hosts) < 2:
        return [url]
    return [urlunsplit(parts._replace(netloc=f"{host}:{parts.port or 80}")) for host in hosts]
