"""Arrays of numbers in files that are mapped into memory."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["mapped"]

Scalar = TypeVar("Scalar", bound=np.generic)


def mapped(path: Path, dtype: type[Scalar]) -> npt.NDArray[Scalar]:
    """A file of numbers of one type as a read-only array; an empty file is an empty array."""
    if not path.stat().st_size:
        return np.zeros(0, dtype)
    array: npt.NDArray[Scalar] = np.memmap(path, dtype, "r").view(np.ndarray)
    return array
