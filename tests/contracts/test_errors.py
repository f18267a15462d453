from __future__ import annotations

import pytest

from a3t_contracts.errors import (
    A3TError,
    ConflictError,
    DeadlineError,
    GoneError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    Problem,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
    UpstreamError,
    error_from_problem,
    error_from_response,
)

ALL = [
    A3TError,
    ConflictError,
    DeadlineError,
    GoneError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
    UpstreamError,
]


@pytest.mark.parametrize("cls", ALL)
def test_every_error_survives_the_wire(cls: type[A3TError]) -> None:
    sent = cls("mug 7 is unknown.", hint="Look again.")
    body = sent.problem("/v1/x").model_dump_json().encode()
    got = error_from_response(sent.status, body, "env")
    assert type(got) is cls
    assert (got.detail, got.hint) == ("mug 7 is unknown.", "Look again.")


def test_statuses_are_distinct() -> None:
    assert len({cls.status for cls in ALL}) == len(ALL)


def test_retry_after_survives_the_wire() -> None:
    problem = Problem.model_validate_json(OverloadedError("full", retry_after=3.5).problem().model_dump_json())
    got = error_from_problem(problem)
    assert isinstance(got, OverloadedError)
    assert got.retry_after == 3.5


def test_a_body_that_is_no_problem_document_is_quoted() -> None:
    got = error_from_response(502, b"<html>bad gateway</html>", "policy")
    assert isinstance(got, UpstreamError)
    assert "policy answered 502: <html>bad gateway" in got.detail


@pytest.mark.parametrize(("status", "cls"), [(418, InvalidInputError), (400, InvalidInputError), (599, A3TError)])
def test_unknown_statuses_fall_back_by_class(status: int, cls: type[A3TError]) -> None:
    assert type(error_from_problem(Problem(title="", status=status, detail="x"))) is cls
