"""The columns that formats have in addition to the text of an episode."""

from __future__ import annotations

from a3t_contracts.schemas import Trajectory

from .columns import Columns, columns_of
from .draft import META

__all__ = ["META_COLUMNS"]

META_COLUMNS: Columns = {name: column for name, column in columns_of(Trajectory).items() if name in META}
"""The columns of the fields in `META`, in the order of the schema."""
