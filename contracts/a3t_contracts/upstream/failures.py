"""What a service says of a server behind it that failed."""

from __future__ import annotations

from typing import Protocol

from ..errors import A3TError

__all__ = ["Failures"]


class Failures(Protocol):
    """Each gives the error to raise. `server` is the address that the service was configured with."""

    def no_answer(self, server: str, seconds: float) -> A3TError:
        """It did not answer within so many seconds."""

    def out_of_reach(self, server: str, error: Exception) -> A3TError:
        """There is no connection to it, or it broke off."""

    def refusal(self, server: str, status: int, body: bytes, said: str) -> A3TError:
        """It answered with an error status; `said`: its body in words."""

    def strange(self, server: str, api: str, reply: object) -> A3TError:
        """Its reply has another form than that of `api`; `reply`: the reply, or the error of reading it."""
