"""Attention of single tokens on a CPU by a small kernel in C. One call computes all rows of a pass.

torch has no kernel that attends to rows of different lengths in place. torch's kernel must be called once for each row,
and for the short rows of a small model such a call takes several times as long as its arithmetic. The machine's C
compiler builds this kernel at the first use, in less than a second; it is then kept in the user's cache. Without a
compiler, torch's kernel is called row by row.
"""

from __future__ import annotations

import ctypes
import hashlib
import math
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from a3t_contracts.logging import get_logger

__all__ = ["DecodeAttention", "decode_attention"]

log = get_logger(__name__)

_SOURCE = Path(__file__).with_suffix(".c")
_FLAGS = (
    "-O3",
    "-std=c11",
    "-fPIC",
    "-shared",
    # Like -ffast-math, but without its effects on the rest of the process.
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fno-signed-zeros",
    "-fassociative-math",
    "-ffinite-math-only",
)
_SECONDS = 60


class DecodeAttention:
    """The compiled kernel."""

    def __init__(self, library: Path) -> None:
        self._call = ctypes.CDLL(str(library)).a3t_decode_attention
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        self._call.argtypes = [
            *(pointer, number, pointer, pointer, number, pointer, pointer),
            *(number, number, number, number, ctypes.c_float, pointer),
        ]
        self._call.restype = ctypes.c_int

    def __call__(self, query: Tensor, keys: Tensor, values: Tensor, slots: np.ndarray, lengths: np.ndarray) -> Tensor:
        """Attend.

        Args:
            query: (rows, heads, dim), the last two dimensions contiguous; rows beyond `slots` compute nothing.
            keys, values: (slots, tokens, kv heads, dim), contiguous.
            slots: slot of each row, int64.
            lengths: number of tokens that each row attends to, int64.

        Returns: (rows, heads, dim), zero in rows that compute nothing.
        """
        rows, heads, dim = query.shape
        out = torch.zeros(rows, heads, dim) if rows > len(slots) else torch.empty(rows, heads, dim)
        failed = self._call(
            query.data_ptr(),
            query.stride(0),
            keys.data_ptr(),
            values.data_ptr(),
            keys.stride(0),
            slots.ctypes.data,
            lengths.ctypes.data,
            len(slots),
            heads,
            keys.shape[2],
            dim,
            1.0 / math.sqrt(dim),
            out.data_ptr(),
        )
        if failed:
            raise MemoryError("no memory for the scores of a pass")
        return out


@cache
def decode_attention() -> DecodeAttention | None:
    """Return this machine's kernel, compiled if necessary; None if it cannot be compiled."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    try:
        library = _library(compiler)
        return DecodeAttention(library) if library is not None else None
    except (OSError, subprocess.SubprocessError, AttributeError) as error:
        log.warning("engine.no_kernel", reason=str(error), hint="Decoding calls torch row by row, which is slower.")
        return None


def _library(compiler: str | None) -> Path | None:
    """The compiled file for this source, compiler and processor."""
    if compiler is None:
        return None
    machine = "-mcpu=native" if platform.machine() in ("aarch64", "arm64") else "-march=native"
    flags = (*_FLAGS, machine)
    key = hashlib.sha256("\0".join([_SOURCE.read_text(), compiler, *flags, _processor()]).encode()).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "a3t"
    target = folder / f"decode_attention-{key}.so"
    if not target.is_file():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=folder) as partial:
            made = Path(partial) / target.name
            command = [compiler, *flags, str(_SOURCE), "-o", str(made), "-lm"]
            subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)  # noqa: S603
            made.replace(target)
    return target


def _processor() -> str:
    """The processor's features, because different machines may share a cache."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    told = {line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))}
    return "\n".join(sorted(told)) or platform.processor()
