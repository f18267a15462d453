"""Calls the services for episodes: with shared connections, batched requests, and retries while a service cannot be
reached."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_before_delay, wait_exponential

from a3t_contracts.clients import ActReClient, EnvClient, PolicyClient, RetryPolicy
from a3t_contracts.clients.waiting import AsAsked
from a3t_contracts.errors import (
    A3TError,
    DeadlineError,
    GoneError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    Problem,
    UnavailableError,
    UpstreamError,
)
from a3t_contracts.logging import get_logger
from a3t_contracts.schemas import (
    ActRequest,
    ActResult,
    ActTurn,
    Reason,
    ReasonQuery,
    ReasonsRequest,
    SampleRequest,
    SessionStep,
    StepResult,
)

from ..recipe import Limits
from ..settings import OrchestratorSettings
from .coalesce import Coalescer

__all__ = ["EpisodeLostError", "Gateway", "ServiceAddresses", "patiently"]

Result = TypeVar("Result")
_PASSING = (UnavailableError, OverloadedError, DeadlineError, UpstreamError)
_MAX_REASONS = 64

log = get_logger(__name__)


class EpisodeLostError(A3TError):
    """The session was gone while the episode ran: the env service was restarted, or closed the session as idle."""

    slug = "episode-lost"


@dataclass(frozen=True, slots=True)
class ServiceAddresses:
    """Addresses of the services that episodes need."""

    env: str
    policy: str
    actre: str
    token: str

    @classmethod
    def of(cls, settings: OrchestratorSettings) -> ServiceAddresses:
        """The addresses in the settings. Raises InvalidInputError that names a variable that is not set."""
        urls = settings.service_urls
        for name in ("env", "policy", "actre"):
            if not urls[name]:
                raise InvalidInputError(
                    f"A3T_{name.upper()}_URL is not set.",
                    hint="Set every A3T_*_URL, or start all services with `a3t up`.",
                )
        return cls(
            env=urls["env"] or "",
            policy=urls["policy"] or "",
            actre=urls["actre"] or "",
            token=settings.token.get_secret_value(),
        )


class Gateway:
    """Holds one pooled client for each service. Use it as a context manager.

    Calls of episodes that run at the same time are combined into `/v1/act`, `/v1/steps` and `/v1/reasons`. If a service
    cannot be reached, is overloaded or slow, calls are repeated for up to `limits.outage_seconds`.
    """

    def __init__(self, addresses: ServiceAddresses, limits: Limits, annotator: str | None = None) -> None:
        retry, token = RetryPolicy(attempts=2), addresses.token
        self.limits = limits
        self.env = EnvClient(addresses.env, token, timeout=limits.call_seconds, retry=retry)
        self.policy = PolicyClient(addresses.policy, token, timeout=limits.call_seconds, retry=retry)
        self.actre = ActReClient(addresses.actre, token, timeout=limits.call_seconds, retry=retry)
        self._annotator = annotator
        self._act: Coalescer[ActTurn, ActResult] = Coalescer(self._send_turns, largest=limits.concurrency)
        self._step: Coalescer[SessionStep, StepResult] = Coalescer(self._send_steps, largest=limits.concurrency)
        self._reason: Coalescer[ReasonQuery, Reason] = Coalescer(self._send_reasons, largest=_MAX_REASONS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        for coalescer in (self._act, self._step, self._reason):
            await coalescer.aclose()
        for client in (self.env, self.policy, self.actre):
            await client.aclose()

    async def act(self, turn: ActTurn) -> ActResult:
        """Ask the policy for its turn. Raises UpstreamError if another version than `turn.model` answered."""
        result = await self.patient(lambda: self._act(turn))
        if turn.model not in (None, result.model):
            raise UpstreamError(
                f"The policy service was asked for version {turn.model!r}; {result.model!r} answered.",
                hint="The servers behind the policy service may ignore adapter names; check A3T_POLICY_UPSTREAMS.",
            )
        return result

    async def step(self, session_id: str, action: str, index: int) -> StepResult:
        """Make one step of a session. Safe to repeat, because it carries its index. Raises EpisodeLostError."""
        query = SessionStep(session_id=session_id, action=action, index=index)
        return await self._in_session(lambda: self._step(query))

    async def sample(self, session_id: str, request: SampleRequest) -> str:
        """Draw an action of the session's action space. Raises EpisodeLostError."""
        return await self._in_session(lambda: self.env.sample(session_id, request))

    async def expert(self, session_id: str) -> str:
        """Ask the scripted expert for its next action. Raises EpisodeLostError."""
        return await self._in_session(lambda: self.env.expert(session_id))

    async def reason(self, query: ReasonQuery) -> Reason:
        """Ask ActRe for the reason of an action."""
        return await self.patient(lambda: self._reason(query))

    async def patient(self, call: Callable[[], Awaitable[Result]]) -> Result:
        """Repeat an idempotent call while its service cannot be reached, for at most `limits.outage_seconds`."""
        return await patiently(call, self.limits.outage_seconds)

    async def _in_session(self, call: Callable[[], Awaitable[Result]]) -> Result:
        try:
            return await self.patient(call)
        except (NotFoundError, GoneError) as error:
            raise EpisodeLostError(error.detail) from error

    async def _send_turns(self, turns: list[ActTurn]) -> Sequence[ActResult | Problem]:
        return (await self.policy.act(ActRequest(turns=turns))).results

    async def _send_steps(self, steps: list[SessionStep]) -> Sequence[StepResult | Problem]:
        return (await self.env.step_many(steps)).results

    async def _send_reasons(self, queries: list[ReasonQuery]) -> Sequence[Reason | Problem]:
        return (await self.actre.reasons(ReasonsRequest(queries=queries, annotator=self._annotator))).results


async def patiently(call: Callable[[], Awaitable[Result]], seconds: float) -> Result:
    """Repeat an idempotent call while its service cannot be reached, is overloaded or slow, for at most `seconds`."""
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(_PASSING),
        stop=stop_before_delay(seconds),
        wait=AsAsked(wait_exponential(multiplier=0.2, exp_base=1.5, max=5.0)),
        before_sleep=_tell,
        reraise=True,
    )

    async def attempt() -> Result:  # tenacity would not await the coroutine that a lambda returns
        return await call()

    return await retrying(attempt)


def _tell(state: RetryCallState) -> None:
    error = state.outcome and state.outcome.exception()
    log.info("service.waiting", error=str(error), seconds=round(state.upcoming_sleep, 1))
