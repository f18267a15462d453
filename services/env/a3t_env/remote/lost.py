"""What may happen to a call of a remote that another call can mend."""

from __future__ import annotations

from a3t_contracts.errors import A3TError, UpstreamError

__all__ = ["BusyError", "EpisodeLostError", "FailedError", "RefusedError", "ReplyLostError"]


class ReplyLostError(UpstreamError):
    """No reply came: what was asked may have been done or not."""


class EpisodeLostError(UpstreamError):
    """The remote knows the episode no more, for example after its restart."""


class FailedError(UpstreamError):
    """The remote answered with a status of 500 or more."""


class RefusedError(UpstreamError):
    """The remote does not take what it was asked, for example an option that it does not know."""


class BusyError(Exception):
    """The remote did nothing and wants to be asked again later; `error` is for those who do not."""

    def __init__(self, error: A3TError) -> None:
        super().__init__(str(error))
        self.error = error
