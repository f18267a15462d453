"""Plug-ins of installed packages: a class with two methods, a whole EnvironmentPlugin, and one that is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from a3t_env.plugins.discovery import all_plugins
from a3t_env.settings import EnvSettings
from tests.env.plugins.conftest import MOODS, ServiceFactory

WHOLE = """
from a3t_env.plugins import EnvironmentPlugin

def build(settings):
    from tests.support.corridor import CorridorEnvironment
    return CorridorEnvironment()

plugin = EnvironmentPlugin(build)
"""
POINTS = f"""[a3t.environments]
moody = {MOODS}:Moody
corridor = whole_plugin:plugin
gone = no_such_package:Game
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with three entry points, which child processes find, too."""
    folder = tmp_path / "site"
    about = folder / "other_games-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: other-games\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(POINTS)
    (folder / "whole_plugin.py").write_text(WHOLE)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


@pytest.mark.usefixtures("package")
async def test_a_package_brings_environments_of_both_kinds(serve: ServiceFactory) -> None:
    async with serve("") as client:
        infos = {info.name: info for info in await client.environments()}
        assert infos["moody"].splits == {"train": 4, "test": 2}
        assert infos["moody"].engines == ["python"]
        assert infos["gone"].splits == {}
        assert "no module 'no_such_package'" in infos["gone"].problem
        assert "the package other-games" in infos["gone"].problem
        assert [task.id for task in await client.all_tasks("corridor", "valid_seen")] == ["corridor-5"]


@pytest.mark.usefixtures("package")
def test_the_setting_wins_over_a_package(tmp_path: Path) -> None:
    plugins = all_plugins(EnvSettings(home=tmp_path, env_plugins=f"moody={MOODS}:Rich"))
    environment = plugins["moody"].build(EnvSettings(home=tmp_path))
    try:
        assert environment.info().expert
    finally:
        getattr(environment, "close")()  # noqa: B009
