"""The errors that a service raises when an upstream server fails."""

from __future__ import annotations

from typing import Protocol

from ..errors import A3TError

__all__ = ["Failures"]


class Failures(Protocol):
    """Makes the error to raise for each kind of failure. `server` is the configured address of the server."""

    def no_answer(self, server: str, seconds: float) -> A3TError:
        """The server did not answer within `seconds`."""

    def out_of_reach(self, server: str, error: Exception) -> A3TError:
        """The connection to the server failed or was lost."""

    def refusal(self, server: str, status: int, body: bytes, said: str) -> A3TError:
        """The server answered with an error status; `said` is the text of its reply."""

    def strange(self, server: str, api: str, reply: object) -> A3TError:
        """The server's reply does not have the form of `api`; `reply` is the reply, or the error of reading it."""
