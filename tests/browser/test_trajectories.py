"""Trajectories: found, read as a story, compared; by mouse, by keyboard, on a phone, in the dark."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.support.browser_site import Site
from tests.support.dashboard_store import BUSY, DONE, NASTY
from tests.support.two_episodes import TASK, save_two_episodes

from .conftest import OpenPage, check


@pytest.fixture(scope="module")
def pair(site: Site) -> tuple[str, str]:
    """Ids of the agent's own failure and of a composed success on the same task."""
    with site.store.session() as session:
        return save_two_episodes(session, DONE)


def test_an_episode_is_found_by_its_words_and_filters(pair: tuple[str, str], open_page: OpenPage) -> None:
    page = open_page("/trajectories")
    expect(page.get_by_text("1 to 50 shown")).to_be_visible()
    check(page, "trajectories")
    page.get_by_label("Words in observations").fill('"clean soapbar" sinkbasin')
    page.keyboard.press("Enter")
    expect(page.get_by_role("row")).to_have_count(3)
    expect(page.locator("mark").first).to_have_text("clean soapbar")
    page.get_by_text("Filters", exact=True).click()
    page.locator("select[name=sampled]").select_option("with")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("row")).to_have_count(2)
    expect(page.get_by_text("1 sampled")).to_be_visible()
    check(page, "trajectories-search")
    page.get_by_label("Words in observations").fill("\"' <b> ; --")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No episode matches the filters.")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    expect(page.get_by_text("1 to 50 shown")).to_be_visible()


def test_pages_and_episodes_follow_each_other_by_keyboard(pair: tuple[str, str], open_page: OpenPage) -> None:
    page = open_page(f"/trajectories?run={DONE}&sort=-steps")
    first = page.get_by_role("rowheader").first.inner_text()
    page.keyboard.press("n")
    expect(page.get_by_text("51 to 100 shown")).to_be_visible()
    page.wait_for_load_state()  # keys are heard from then on
    page.keyboard.press("p")
    expect(page.get_by_role("rowheader").first).to_have_text(re.compile(re.escape(first.splitlines()[0])))
    page.get_by_role("rowheader").nth(1).get_by_role("link").first.click()
    page.wait_for_url(re.compile(r"/trajectories/[0-9a-f]{24}"))
    second = page.url
    page.keyboard.press("n")
    page.wait_for_url(lambda url: url != second)
    page.keyboard.press("p")
    page.wait_for_url(second)
    page.get_by_role("link", name="Trajectories", exact=True).last.click()
    expect(page.locator("select[name=sort]")).to_have_value("-steps")


def test_an_episode_reads_like_a_story(pair: tuple[str, str], open_page: OpenPage) -> None:
    page = open_page(f"/trajectories/{pair[1]}")
    expect(page.get_by_role("heading", name=TASK)).to_be_visible()
    step = page.get_by_role("listitem").filter(has_text="Step 3")
    expect(step.get_by_text("Sampled action")).to_be_visible()
    expect(step.get_by_text("Reason by ActRe")).to_be_visible()
    expect(step.get_by_text("Sampled by chance, instead of go to cabinet 1.")).to_be_visible()
    page.get_by_text("Log-probabilities of 4 tokens").first.click()
    expect(page.get_by_role("region", name="Tokens of step 1")).to_contain_text("-0.9000")
    check(page, "episode")
    check(open_page(f"/trajectories/{pair[0]}", dark=True), "episode-dark")
    phone = open_page(f"/trajectories/{pair[0]}", width=390)
    expect(phone.get_by_text("Invalid: the environment did not accept this action")).to_be_visible()
    expect(phone.get_by_text("Made up: the policy continued with an observation of its own")).to_be_visible()
    check(phone, "episode-phone")


def test_failure_and_success_stand_beside_each_other(pair: tuple[str, str], open_page: OpenPage) -> None:
    page = open_page(f"/trajectories/{pair[1]}")
    page.get_by_role("link", name="Show both side by side").click()
    expect(page.get_by_text("The same in both: 2 steps")).to_be_visible()
    expect(page.get_by_text("The episodes differ from step 3 on")).to_be_visible()
    left = page.get_by_role("group", name="The agent's own failure").first
    expect(left).to_contain_text("go to cabinet 1")
    expect(page.get_by_role("group", name="The composed success").first).to_contain_text("go to sinkbasin 1")
    check(page, "beside")
    check(open_page(f"/trajectories/{pair[0]}/beside/{pair[1]}", width=390, dark=True), "beside-phone-dark")


def test_what_a_game_writes_is_shown_as_text(open_page: OpenPage) -> None:
    page = open_page(f"/trajectories?run={BUSY}&search=window.owned")
    expect(page.locator("mark").first).to_have_text("window.owned")
    page.get_by_role("rowheader").first.get_by_role("link").first.click()
    expect(page.get_by_text(NASTY).first).to_be_visible()
    assert page.evaluate("window.owned") is None


def test_the_list_on_a_phone_in_the_dark(open_page: OpenPage) -> None:
    check(open_page("/trajectories?sampled=true", width=390, dark=True), "trajectories-phone-dark")
