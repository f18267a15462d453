"""The cache of replies."""

from __future__ import annotations

import pickle
import sqlite3
from pathlib import Path

import pytest

from a3t_actre.cache import ReasonCache, prompt_key
from a3t_contracts.errors import A3TError


def test_a_reason_outlives_the_process_that_stored_it(tmp_path: Path) -> None:
    first = ReasonCache(tmp_path / "cache", 16)
    first.put("k", "I look for a mug. ü")
    first.close()
    second = ReasonCache(tmp_path / "cache", 16)
    assert second.get("k") == "I look for a mug. ü"
    assert second.get("other") is None


def test_the_key_changes_with_everything_that_shapes_a_reply() -> None:
    base = {"model": "m", "prompt": "p", "temperature": 0.0, "max_tokens": 96}
    keys = {prompt_key(**base), *(prompt_key(**base | {name: "x"}) for name in base)}
    assert len(keys) == 5
    assert prompt_key(**base) == prompt_key(**dict(reversed(base.items())))


def test_a_pickled_value_is_never_opened(tmp_path: Path) -> None:
    cache = ReasonCache(tmp_path, 16)
    cache.put("k", "honest")
    with sqlite3.connect(tmp_path / "cache.db") as db:
        db.execute("UPDATE Cache SET mode = 4, value = ?, filename = NULL", (pickle.dumps("smuggled in"),))
    assert cache.get("k") is None


def test_a_folder_that_cannot_be_used_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(A3TError, match="A3T_ACTRE_CACHE_DIR"):
        ReasonCache(tmp_path / "file" / "cache", 16)
    (tmp_path / "cache.db").write_bytes(b"no database" * 100)
    with pytest.raises(A3TError, match="cannot be opened"):
        ReasonCache(tmp_path, 16)


def test_a_cache_that_breaks_while_in_use_is_a_miss(tmp_path: Path) -> None:
    cache = ReasonCache(tmp_path, 16)
    with sqlite3.connect(tmp_path / "cache.db") as db:
        db.execute("DROP TABLE Cache")
    cache.put("k", "lost")
    assert cache.get("k") is None
