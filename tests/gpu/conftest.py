"""Skips everything here on a machine without a GPU."""

from __future__ import annotations

import pytest
import torch


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.cuda.is_available():
        return
    for item in items:
        if "tests/gpu" in item.path.as_posix():
            item.add_marker(
                pytest.mark.skip(reason="torch sees no GPU; `make test-gpu` runs this on a machine with one")
            )
