"""Parts that the routes share: the sessions, parameters, documented errors, JSON replies."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import Depends, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from a3t_contracts.errors import PROBLEM_JSON, Problem

from ..environments import Environments
from ..sessions.interface import Sessions

__all__ = ["EnvironmentsDep", "IncludeActions", "SessionId", "SessionsDep", "json_reply", "problems"]

_WHEN = {
    400: "The body is not JSON",
    401: "The bearer token is missing or wrong",
    403: "The role of the token does not allow it",
    404: "Unknown session, task, environment, split or type",
    409: "The session's state forbids it: another step is running, the index is wrong, or the episode is over",
    410: "The session is closed or was reaped",
    413: "The body is too large",
    422: "A value has the wrong form, or the environment does not offer what was asked for",
    429: "All sessions are in use; Retry-After says when to try again",
    502: "The engine failed; the session is closed",
    503: "The environment is not available now, or its server cannot be reached; Retry-After says when to try again",
    504: "The engine did not answer in time",
}


async def _environments(request: Request) -> Environments:
    return cast(Environments, request.app.state.environments)


async def _sessions(request: Request) -> Sessions:
    return cast(Sessions, request.app.state.sessions)


EnvironmentsDep = Annotated[Environments, Depends(_environments)]
SessionsDep = Annotated[Sessions, Depends(_sessions)]
SessionId = Annotated[str, Path(description="The session's id", examples=["0-5f0c3a9d27b8e1460c7f"])]
IncludeActions = Annotated[bool, Query(description="Return the admissible actions with the observation")]


def json_reply(model: BaseModel, status: int = 200) -> Response:
    """Return an HTTP reply with a model as its body. The model is serialised only once."""
    return Response(model.__pydantic_serializer__.to_json(model), status, media_type="application/json")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of a route's errors, together with those of every route."""
    return {
        status: {
            "description": _WHEN[status],
            "model": Problem,
            "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in sorted({401, 403, 422, *statuses})
    }
