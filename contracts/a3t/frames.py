"""Makes data frames of pandas or polars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from a3t_contracts.errors import UnavailableError

__all__ = ["FrameLibrary", "frame_of"]

FrameLibrary = Literal["pandas", "polars"]


def frame_of(rows: Iterable[Mapping[str, Any]], library: FrameLibrary = "pandas") -> Any:
    """Make a data frame with one row for each mapping. Raises UnavailableError where the library is not installed."""
    listed = [dict(row) for row in rows]
    try:
        if library == "polars":
            import polars

            return polars.DataFrame(listed, infer_schema_length=None)
        import pandas

        return pandas.DataFrame(listed)
    except ImportError as error:
        raise UnavailableError(f"{library} is not installed.", hint=f"pip install {library}") from error
