"""The errors that this service raises when an upstream server fails."""

from __future__ import annotations

from typing_extensions import override

from a3t_contracts.errors import A3TError, DeadlineError, UnavailableError, UpstreamError, error_from_response
from a3t_contracts.upstream.failures import Failures

__all__ = ["UpstreamFailures"]


class UpstreamFailures(Failures):
    """See `a3t_contracts.upstream.failures`.

    An error in the client's request keeps its 4xx status. If the server refuses this service's token, the client gets
    502.
    """

    @override
    def no_answer(self, server: str, seconds: float) -> A3TError:
        return DeadlineError(
            f"{server} did not answer within {seconds:g} s.",
            hint="Raise A3T_POLICY_UPSTREAM_TIMEOUT, or check the server's load.",
        )

    @override
    def out_of_reach(self, server: str, error: Exception) -> A3TError:
        return UnavailableError(
            f"{server} cannot be reached: {error!r}.", hint="Check A3T_POLICY_UPSTREAMS, and that the server runs."
        )

    @override
    def refusal(self, server: str, status: int, body: bytes, said: str) -> A3TError:
        if status in (401, 403):
            return UpstreamError(
                f"{server} refuses the token of this service.", hint="Check A3T_POLICY_UPSTREAM_TOKEN."
            )
        if status >= 500 and status not in (503, 504):
            return UpstreamError(f"{server} answered {status}: {said[:300]}")
        return error_from_response(status, body, server)

    @override
    def strange(self, server: str, api: str, reply: object) -> A3TError:
        said = repr(reply) if isinstance(reply, Exception) else str(reply)
        return UpstreamError(
            f"The reply of {server} does not have the form of {api}'s API: {said[:300]}.",
            hint="Check A3T_POLICY_UPSTREAMS and A3T_POLICY_BACKEND.",
        )
