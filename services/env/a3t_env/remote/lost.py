"""Failures of a call to a remote that another call may repair."""

from __future__ import annotations

from a3t_contracts.errors import A3TError, UpstreamError

__all__ = ["BusyError", "EpisodeLostError", "FailedError", "RefusedError", "ReplyLostError"]


class ReplyLostError(UpstreamError):
    """No reply came. The server may or may not have carried out the request."""


class EpisodeLostError(UpstreamError):
    """The server no longer knows the episode, for example after its restart."""


class FailedError(UpstreamError):
    """The server answered with a status of 500 or more."""


class RefusedError(UpstreamError):
    """The server refuses the request, for example because of an unknown option."""


class BusyError(Exception):
    """The server did nothing and asks for another attempt later. `error` is raised if there is no further attempt."""

    def __init__(self, error: A3TError) -> None:
        super().__init__(str(error))
        self.error = error
