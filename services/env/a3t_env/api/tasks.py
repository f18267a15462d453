"""`GET /v1/tasks`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from a3t_contracts.errors import NotFoundError
from a3t_contracts.schemas import Task, TaskPage
from a3t_contracts.schemas.base import Environment as EnvironmentName

from ..protocol import Environment
from .deps import EnvironmentsDep, json_reply, problems

router = APIRouter(prefix="/v1", tags=["tasks"])


@router.get("/tasks", response_model=TaskPage, responses=problems(404, 503))
def tasks(
    environments: EnvironmentsDep,
    environment: Annotated[EnvironmentName, Query(description="Name of the environment")],
    split: Annotated[str | None, Query(description="Only tasks of this split", examples=["valid_seen"])] = None,
    type: Annotated[str | None, Query(description="Only tasks of this type")] = None,
    offset: Annotated[int, Query(ge=0, le=2**31, description="Number of tasks to skip")] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Most tasks in the reply")] = 100,
) -> Response:
    """List tasks in a fixed order, page by page."""
    chosen = _filtered(environments.get(environment), split, type)
    end = offset + limit
    page = TaskPage.model_construct(
        tasks=list(chosen[offset:end]), total=len(chosen), next_offset=end if end < len(chosen) else None
    )
    return json_reply(page)


def _filtered(environment: Environment, split: str | None, type: str | None) -> Sequence[Task]:
    info = environment.info()
    _refuse_unknown("split", split, info.splits, info.get_data)
    _refuse_unknown("task type", type, info.task_types)
    return environment.tasks(split, type)


def _refuse_unknown(what: str, value: str | None, known: Sequence[str] | dict[str, int], more: str = "") -> None:
    if value is not None and value not in known:
        hint = f"Known: {', '.join(known)}. {more}".rstrip()
        raise NotFoundError(f"There is no {what} {value[:80]!r}.", hint=hint)
