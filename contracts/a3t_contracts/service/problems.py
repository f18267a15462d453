"""Turns errors into HTTP replies."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ..errors import PROBLEM_JSON, A3TError, InvalidInputError, MediaTypeError, Problem, error_from_problem

__all__ = ["ErrorBody", "add_error_handlers", "plain_body", "problem_response"]

ErrorBody = Callable[[A3TError, Problem], dict[str, Any]]
"""Makes the JSON body of an error's reply."""


def plain_body(_: A3TError, problem: Problem) -> dict[str, Any]:
    """Return the problem document, unchanged, as the reply's body."""
    return problem.model_dump(exclude_none=True)


def problem_response(error: A3TError, instance: str, body: ErrorBody = plain_body) -> JSONResponse:
    """Make the HTTP reply of an error."""
    retry_after = getattr(error, "retry_after", None)
    headers = {"Retry-After": str(max(1, round(retry_after)))} if retry_after is not None else None
    content = body(error, error.problem(instance))
    return JSONResponse(content, error.status, headers=headers, media_type=PROBLEM_JSON)


def add_error_handlers(app: FastAPI, body: ErrorBody) -> None:
    """Make the app answer every error that its routes raise with a problem document."""

    @app.exception_handler(A3TError)
    async def on_known(request: Request, error: A3TError) -> JSONResponse:
        return problem_response(error, request.url.path, body)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        if (
            isinstance(error.body, bytes) and error.body
        ):  # FastAPI leaves a body as bytes unless its Content-Type is JSON
            return problem_response(_not_json(request), request.url.path, body)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        places = [{"where": ".".join(map(str, e["loc"])), "message": e["msg"]} for e in error.errors()[:20]]
        return problem_response(InvalidInputError(f"{where}: {first['msg']}.", errors=places), request.url.path, body)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> JSONResponse:
        where = f"{error.detail}: {request.method} {request.url.path}"
        typed = error_from_problem(Problem(title="", status=error.status_code, detail=where))
        problem = typed.problem(request.url.path)
        problem.status, problem.title = error.status_code, HTTPStatus(error.status_code).phrase
        return JSONResponse(
            body(typed, problem),
            error.status_code,
            headers=error.headers and dict(error.headers),
            media_type=PROBLEM_JSON,
        )


def _not_json(request: Request) -> MediaTypeError:
    given = request.headers.get("content-type")
    what = f"is sent as {given[:100]!r}" if given else "comes without a Content-Type header"
    hint = "Send the header `Content-Type: application/json` (curl: -H 'Content-Type: application/json')."
    return MediaTypeError(f"The request body {what}; this service reads JSON.", hint=hint)
