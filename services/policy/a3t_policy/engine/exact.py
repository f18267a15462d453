"""CPU matrix products whose rows do not depend, to the bit, on the number of rows."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["LEAST_ROWS", "ask_for_exact_rows"]

LEAST_ROWS = 4
"""On one thread in float32, MKL computes a row with the same bits for every number of rows from 4 on. On Intel
processors this holds only with `ask_for_exact_rows`; AVX-512 kernels differ below 13 rows otherwise."""

_PROCESSORS = Path("/proc/cpuinfo")


def ask_for_exact_rows() -> None:
    """Set MKL_CBWR to AUTO,STRICT on Intel processors, unless it is set. Call it before the first matrix product.

    It costs nothing there (with AVX-512 it is faster from 16 rows on). On other processors it would choose MKL's
    slowest kernels.
    """
    if _PROCESSORS.is_file() and "GenuineIntel" in _PROCESSORS.read_text():
        os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
