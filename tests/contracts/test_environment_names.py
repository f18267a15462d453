"""Environments are known by name in their own folders only; for all the rest they are data."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from a3t_actre.plugins import installed_reasons
from a3t_contracts.schemas import PublishedFigures
from a3t_env.plugins.discovery import all_plugins
from a3t_env.settings import EnvSettings

ROOT = Path(__file__).parents[2]
NAMES = re.compile(r"alfworld|webshop", re.IGNORECASE)
PLACES = ("contracts/a3t_contracts", "orchestrator/a3t_orchestrator", "services/*/a3t_*", "k8s/a3t", "compose*.yaml")
OWN = ("services/env/a3t_env/{}", "services/actre/a3t_actre/environments/{}")
"""Folders that belong to an environment. `pretraining/` and `models/` make and ship bases for two of them."""
TEXTS = {".py", ".jinja", ".html", ".css", ".js", ".yaml", ".yml", ".json", ".txt", ".tpl", ".md"}
ALLOWED = {
    "orchestrator/a3t_orchestrator/store/migrations/versions/0002_multiline_observations.py": (
        "databases of older versions do not say how the episodes in them were read, and only two environments existed"
    ),
}
"""File → why it may name an environment."""


def files() -> list[Path]:
    """Every text file of the packages outside the environments' own folders."""
    own = [ROOT / place.format(name) for place in OWN for name in ("alfworld", "webshop")]
    assert all(folder.is_dir() for folder in own)
    roots = [root for place in PLACES for root in ROOT.glob(place)]
    found = [path for root in roots for path in ([root] if root.is_file() else root.rglob("*"))]
    return [p for p in found if p.suffix in TEXTS and p.is_file() and not any(map(p.is_relative_to, own))]


def test_no_package_names_an_environment() -> None:
    checked = files()
    assert len(checked) > 200
    naming = {str(path.relative_to(ROOT)) for path in checked if NAMES.search(path.read_text(encoding="utf-8"))}
    naming |= {str(path.relative_to(ROOT)) for path in checked if NAMES.search(path.name)}
    assert naming == set(ALLOWED), "say it by EnvironmentInfo, a plug-in or a recipe"


def test_published_figures_name_the_same_rounds() -> None:
    assert PublishedFigures(test_set="x", single=[1, 2], accumulated=[1, 3]).single == [1, 2]
    with pytest.raises(ValidationError, match="single has 1 rounds, accumulated has 2"):
        PublishedFigures(test_set="x", single=[1], accumulated=[1, 3])


def test_those_that_ship_come_in_as_plug_ins() -> None:
    for found in (set(all_plugins(EnvSettings())), set(installed_reasons())):
        assert {"alfworld", "webshop"} <= found
