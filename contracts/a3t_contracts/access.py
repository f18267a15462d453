"""Bearer tokens and their roles: which token may do what."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any

from pydantic import SecretStr

__all__ = ["Role", "Tokens", "needs", "token_list"]

_ROLE_KEY = "x-a3t-role"
"""Key under which the OpenAPI description of an operation names its role."""


class Role(IntEnum):
    """What a token may do. Each role includes the roles before it."""

    read = 1
    """Look at everything: runs, trajectories, adapter versions, sessions."""
    run = 2
    """Start, pause and cancel runs and jobs, play episodes, ask for completions and reasons."""
    admin = 3
    """Delete, and change which adapter version is served."""


class Tokens:
    """Finds the role of a token.

    Tokens are looked up by their SHA-256, so that the time of a look-up reveals nothing about them. A token that was
    found once is cached in a dictionary, whose look-ups compare keyed hashes.

    Args:
        by_role: the tokens of each role.
    """

    def __init__(self, by_role: Mapping[Role, Iterable[str]]) -> None:
        self._roles = {_digest(token.encode()): role for role, tokens in by_role.items() for token in tokens}
        self._found: dict[bytes, Role] = {}

    def role_of(self, token: str | bytes) -> Role | None:
        """Return the role of a token; None for an unknown token."""
        given = token.encode() if isinstance(token, str) else token
        role = self._found.get(given)
        if role is None and (role := self._roles.get(_digest(given))) is not None:
            self._found[given] = role
        return role


def token_list(secret: SecretStr) -> list[str]:
    """Split the value of a setting that holds several tokens separated by commas."""
    return [token.strip() for token in secret.get_secret_value().split(",") if token.strip()]


def needs(role: Role) -> dict[str, Any]:
    """Return route arguments that set the role which the route needs: `@router.post("/x", **needs(Role.admin))`.

    Without it GET and HEAD need `read`, DELETE needs `admin`, and every other method needs `run`.
    """
    return {"openapi_extra": {_ROLE_KEY: role.name}}


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
