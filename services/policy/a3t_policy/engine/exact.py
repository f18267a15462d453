"""CPU matrix products in which the bits of a row do not depend on the number of rows."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["LEAST_ROWS", "ask_for_exact_rows"]

LEAST_ROWS = 4
"""Smallest number of rows. On one thread in float32, MKL computes a row with the same bits for every number of rows
from 4. On Intel processors this needs `ask_for_exact_rows`; otherwise AVX-512 kernels differ below 13 rows.
"""

_PROCESSORS = Path("/proc/cpuinfo")


def ask_for_exact_rows() -> None:
    """Set MKL_CBWR to AUTO,STRICT on Intel processors, unless it is set. Call it before the first matrix product.

    On Intel processors it does not slow anything down (with AVX-512, products of 16 rows or more become faster). On
    other processors it would select MKL's slowest kernels.
    """
    if _PROCESSORS.is_file() and "GenuineIntel" in _PROCESSORS.read_text():
        os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
