"""Client of the ActRe service."""

from __future__ import annotations

from ..schemas.reason import ReasonsReply, ReasonsRequest
from .base import ServiceClient

__all__ = ["ActReClient"]


class ActReClient(ServiceClient):
    """Calls the ActRe service, which writes the reason of an action that was already chosen."""

    service = "actre"

    async def reasons(self, request: ReasonsRequest, timeout: float | None = None) -> ReasonsReply:
        """Ask for the reason of each action, in the order of the request. Safe to repeat."""
        return await self._call(ReasonsReply, "POST", "/v1/reasons", request, idempotent=True, timeout=timeout)
