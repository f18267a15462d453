"""Every row of the threat model names a test, and each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def rows() -> list[list[str]]:
    page = (ROOT / "docs/security.md").read_text()
    table = page.partition("## Threats")[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_threat_names_tests_that_exist() -> None:
    found = rows()
    assert len(found) >= 15
    for threat, measure, tests in found:
        assert measure, threat
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", tests)
        assert named, threat
        for file, test in named:
            assert (ROOT / file).is_file(), file
            if test:
                assert re.search(rf"^(async )?def {test}\(", (ROOT / file).read_text(), re.M), f"{file}::{test}"
