"""Finds the role that a request needs, from the routes of the service."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.types import Scope

from ..access import _ROLE_KEY, Role

__all__ = ["RouteRoles"]

_BY_METHOD = {"GET": Role.read, "HEAD": Role.read, "OPTIONS": Role.read, "DELETE": Role.admin}


class RouteRoles:
    """The role that each route needs. The OpenAPI description of every route gets it as `x-a3t-role`."""

    def __init__(self, routers: Iterable[APIRouter]) -> None:
        self._exceptions: list[tuple[set[str], re.Pattern[str], Role]] = []
        for route in (route for router in routers for route in router.routes if isinstance(route, APIRoute)):
            methods = set(route.methods or ())
            usual = max(map(_usual, methods), default=Role.admin)
            named = (route.openapi_extra or {}).get(_ROLE_KEY)
            role = usual if named is None else Role[named]
            if role is not usual:
                self._exceptions.append((methods, route.path_regex, role))
            route.openapi_extra = (route.openapi_extra or {}) | {_ROLE_KEY: role.name}

    def needed(self, scope: Scope) -> Role:
        """Return the role that a request needs. A WebSocket needs `run`."""
        if scope["type"] == "websocket":
            return Role.run
        for methods, path, role in self._exceptions:
            if scope["method"] in methods and path.match(scope["path"]):
                return role
        return _usual(scope["method"])


def _usual(method: str) -> Role:
    return _BY_METHOD.get(method, Role.run)
