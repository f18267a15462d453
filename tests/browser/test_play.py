"""A game in the browser: played with the mouse and the keyboard, with the policy's suggestion and ActRe's reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from a3t_actre.app import create_app as create_actre
from a3t_actre.settings import ActReSettings
from a3t_contracts.react import History
from a3t_env.app import create_app as create_env
from a3t_env.environments import Environments
from a3t_env.settings import EnvSettings
from tests.support.browser_site import TOKEN, Site, running_site
from tests.support.corridor import CorridorEnvironment
from tests.support.live_server import live_server
from tests.support.scripted_policy import ScriptedPolicy

from .conftest import OpenPage, check

NASTY = "<img src=x onerror='window.owned=1'>"


@dataclass
class Playground:
    """A dashboard with services behind it."""

    site: Site
    corridor: CorridorEnvironment


def says(history: History) -> str:
    return NASTY if history.turns and history.turns[-1].action == "dance" else "go right"


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    common = {"home": tmp_path_factory.mktemp("services"), "token": TOKEN}
    corridor = CorridorEnvironment()
    env = create_env(EnvSettings.model_validate(common), Environments({"alfworld": lambda: corridor}))
    actre = create_actre(ActReSettings.model_validate(common | {"actre_cache_mb": 0}))
    with live_server(env) as e, live_server(actre) as a, live_server(ScriptedPolicy(says).app(TOKEN)) as p:
        home = tmp_path_factory.mktemp("play")
        with running_site(home, env_url=e, policy_url=p, actre_url=a) as site:
            yield Playground(site, corridor)


@pytest.fixture
def begin(playground: Playground, new_page: OpenPage) -> Iterator[Page]:
    """The page of a new game in a corridor of three rooms."""
    page = new_page(playground.site.url)
    page.context.add_cookies([{"name": "a3t_session", "value": playground.site.cookie(), "url": playground.site.url}])
    page.goto("/play")
    page.get_by_label("Task", exact=True).fill("corridor-3")
    page.get_by_role("button", name="Play alfworld").click()
    expect(page.get_by_text("You are in room 0 of 3.")).to_be_visible()
    return page


def test_a_game_is_won_and_its_session_given_back(begin: Page, playground: Playground) -> None:
    page = begin
    page.get_by_role("button", name="Why go right?").click()
    expect(page.get_by_text("Reason by ActRe for go right")).to_be_visible()
    page.get_by_role("button", name="What would the policy do?").click()
    expect(page.get_by_text("I think so.")).to_be_visible()
    check(page, "play")
    page.get_by_role("button", name="Do what it says").click()
    expect(page.get_by_text("The policy's action")).to_be_visible()
    expect(page.get_by_label("Your action")).to_be_focused()
    page.keyboard.type("go right")
    page.keyboard.press("Enter")
    expect(page.get_by_text("You are in room 2.")).to_be_visible()
    page.get_by_role("button", name="take flag", exact=True).click()
    expect(page.get_by_text("Reward 1 after 3 steps.")).to_be_visible()
    check(page, "play-won")
    page.get_by_role("button", name="Close the game").click()
    expect(page.get_by_text("The game is closed.")).to_be_visible()
    assert not playground.corridor.running


def test_what_is_typed_and_what_a_model_writes_is_text(begin: Page) -> None:
    page = begin
    page.get_by_label("Your action").fill("dance")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Invalid: the environment did not accept this action")).to_be_visible()
    page.get_by_role("button", name="What would the policy do?").click()
    expect(page.get_by_text(NASTY)).to_be_visible()
    assert page.evaluate("window.owned") is None
    page.set_viewport_size({"width": 390, "height": 844})
    check(page, "play-phone")
    game = page.url
    page.get_by_role("button", name="Close the game").click()
    page.goto(game.partition("#")[0])
    expect(page.get_by_text("There is no such game.")).to_be_visible()


def test_without_services_the_page_says_what_to_set(site: Site, open_page: OpenPage) -> None:
    page = open_page("/play")
    expect(page.get_by_text("The address of the env service is not known. Set A3T_ENV_URL.")).to_be_visible()
