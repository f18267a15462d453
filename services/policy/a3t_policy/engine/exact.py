"""CPU matrix products whose rows have the same bits whatever the number of rows."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["LEAST_ROWS", "ask_for_exact_rows"]

LEAST_ROWS = 4
"""On one thread in float32 MKL gives a row the same bits for every number of rows from 4 on. On Intel's processors it
does so only when asked (`ask_for_exact_rows`); AVX-512 kernels differ up to 12 rows otherwise."""

_PROCESSORS = Path("/proc/cpuinfo")


def ask_for_exact_rows() -> None:
    """Set MKL_CBWR to AUTO,STRICT on Intel's processors, unless it is set; before the process's first product.

    It costs nothing there (on AVX-512 it is faster from 16 rows on). Other processors would get MKL's slowest kernels.
    """
    if _PROCESSORS.is_file() and "GenuineIntel" in _PROCESSORS.read_text():
        os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
