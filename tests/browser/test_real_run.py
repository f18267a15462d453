"""A whole run in the browser: begun from a pasted recipe, followed to its end, its adapter versions looked at.

Everything is real: the services, the queue, a worker, a tiny model and generated games.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from a3t_orchestrator.embedded import read_state
from tests.support.mini_loop import a3t, make_home, write_recipe

from .conftest import OpenPage, check

pytestmark = pytest.mark.timeout(600)
_LONG = 240_000
"""Milliseconds that a phase may take."""


@pytest.fixture
def address(tmp_path: Path, tiny_model: Path) -> Iterator[str]:
    """The dashboard of a stack of its own, in development mode."""
    home = make_home(tmp_path / "home")
    begun = a3t(home, "up", "--detach", "--base-model", str(tiny_model))
    assert begun.returncode == 0, begun.stdout + begun.stderr
    state = read_state(home)
    assert state is not None
    yield state.urls["orchestrator"]
    a3t(home, "down")


def test_a_run_is_begun_and_followed_to_its_end(
    address: str, tmp_path: Path, tiny_model: Path, new_page: OpenPage
) -> None:
    recipe = write_recipe(tmp_path / "mini.yaml", tiny_model, rounds=1).read_text()
    page = new_page(address)
    page.goto("/")
    expect(page.get_by_text("There is no run yet.")).to_be_visible()
    check(page, "real-empty")
    page.get_by_role("link", name="Start a run").click()
    page.get_by_text("Paste a recipe of your own").click()
    page.get_by_label("Recipe, as YAML").fill(recipe)
    page.get_by_label("Name", exact=True).fill("mini-1")
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_text("mini-1 has begun.")).to_be_visible()
    page.evaluate("window.notLoadedAgain = true")
    expect(page.get_by_role("progressbar")).to_be_visible(timeout=_LONG)
    expect(page.get_by_text("Training of mini-1-r00", exact=True)).to_be_visible(timeout=_LONG)
    expect(page.locator(".pill.finished")).to_be_visible(timeout=_LONG)
    assert page.evaluate("window.notLoadedAgain") is True
    expect(page.get_by_text("Success on generated_heldout", exact=True)).to_be_visible(timeout=30_000)
    check(page, "real-run")
    page.goto("/adapters")
    expect(page.locator("dl.figures dd").first).to_have_text("mini-1-r01")
    expect(page.locator(".replicas .pill.ok")).to_have_text("mini-1-r01")
    check(page, "real-adapters")
    page.goto("/services")
    expect(page.get_by_role("table", name="Workers that answer")).to_be_visible()
    expect(page.locator(".pill.ready")).to_have_count(5)
    check(page, "real-services")
