from __future__ import annotations

from pathlib import Path

import pytest

from a3t_contracts.logging import configure_logging
from a3t_env import seed_data
from a3t_env.alfworld.data.store import GameStore


def test_a_fresh_home_gets_games_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A3T_HOME", str(tmp_path))
    assert seed_data.seed(0) is False
    assert seed_data.seed(6) is True
    splits = GameStore(tmp_path / "data" / "alfworld").index().splits()
    assert splits["generated_train"] == 6
    assert seed_data.seed(12) is False
    assert GameStore(tmp_path / "data" / "alfworld").index().splits() == splits


def test_a_count_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A3T_SEED_GAMES", "many")
    try:
        with pytest.raises(Exception, match="A3T_SEED_GAMES='many'"):
            seed_data.main([])
    finally:
        configure_logging("test", "WARNING")  # for the tests behind this one
