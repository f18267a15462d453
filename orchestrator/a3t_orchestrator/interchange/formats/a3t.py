"""A³T's own format: whole trajectories, with token ids, log-probabilities and the writer of each thought and action."""

from __future__ import annotations

from pydantic import ValidationError

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.schemas import Trajectory

from ..columns import Row, columns_of
from ..draft import Draft
from ..format import Format, RowOptions

__all__ = ["FORMAT"]


def _row(trajectory: Trajectory, number: int, options: RowOptions) -> Row:
    return trajectory.model_dump(mode="json", exclude_none=True)


def _read(row: Row) -> Draft:
    try:
        whole = Trajectory.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidInputError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    meta = {name: getattr(whole, name) for name in Trajectory.model_fields}
    return Draft(whole.steps, meta, preamble=whole.preamble, multiline=whole.multiline)


def _is_ours(row: Row) -> bool:
    return {"run", "kind", "steps", "task_id", "stop_reason"} <= row.keys() and "observation" not in row


FORMAT = Format(
    name="a3t",
    title="whole trajectories with token ids and log-probabilities, as this project stores and trains on them",
    columns=columns_of(Trajectory),
    row=_row,
    read=_read,
    recognises=_is_ours,
    for_training=False,
)
