"""The shell commands of a Markdown page, and those of them that a test of its own runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["ROOT", "RUN_ELSEWHERE", "commands_of"]

ROOT = Path(__file__).parents[2]

RUN_ELSEWHERE = {
    "make setup": (".ci/run", "make setup"),
    "make test": (".ci/run", "make test"),
    "make demo": ("tests/docs/test_long_commands.py", '"make demo"'),
    "docker compose up -d --wait": ("tests/compose/conftest.py", '"up", "-d", "--wait"'),
    "docker compose run --rm a3t run configs/alfworld-mistral-7b.yaml": (
        "tests/e2e/test_mistral_recipes.py",
        "-mistral-7b.yaml",
    ),
}
"""Command → the file that runs it in a suite of its own, and what stands there of it.

Left to them are set-up, the whole test suite, the full demo (20 minutes and more), and what needs a Docker engine or a
GPU; the recipe for a GPU is run with a small model of the same architecture.
"""

_BLOCK = re.compile(r"^```bash\n(.*?)^```", re.S | re.M)
_HEREDOC = re.compile(r"<<'?(\w+)'?")


def commands_of(page: str) -> list[str]:
    """Every command of the fenced `bash` blocks of a page of the project, in their order, without comments."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [command for block in _BLOCK.findall(text) for command in _commands(block)]


def _commands(block: str) -> Iterator[str]:
    """Lines that a backslash or a here-document holds together are one command."""
    lines = iter(block.splitlines())
    for line in lines:
        whole = line
        end = _HEREDOC.search(line)
        while end and whole.splitlines()[-1] != end[1]:
            whole += "\n" + next(lines)
        while whole.endswith("\\"):
            whole += "\n" + next(lines)
        plain = whole if end else re.sub(r"(^|\s)#.*", "", whole).strip()
        if plain:
            yield plain
