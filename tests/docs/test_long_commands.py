"""Commands of README that take longer than `make test` may: `make test-slow` runs them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from .commands import ROOT

LONG = ["make demo"]


@pytest.mark.slow
@pytest.mark.timeout(5400)
@pytest.mark.parametrize("command", LONG)
def test_a_long_command_runs_to_its_end(command: str, tmp_path: Path) -> None:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("A3T_")}
    environment = kept | {"A3T_HOME": str(tmp_path), "COLUMNS": "120"}
    subprocess.run(command.split(), cwd=ROOT, env=environment, check=True, timeout=5300)
    reports = list(tmp_path.glob("reports/*/report.json"))
    assert len(reports) == 1
    rounds = json.loads(reports[0].read_text())["rounds"]
    assert [entry["round"] for entry in rounds] == [0, 1, 2]
