"""Adapters, failures and services, as an operator uses them."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.support.browser_site import Site
from tests.support.dashboard_store import BUSY, DONE, NASTY

from .conftest import OpenPage, check


def test_a_version_is_promoted_and_rolled_back(open_page: OpenPage) -> None:
    page = open_page("/adapters")
    live = page.locator("dl.figures dd").first
    expect(live).to_have_text(f"{DONE}-r03")
    check(page, "adapters")
    row = page.get_by_role("row").filter(has_text=f"{DONE}-r01").filter(has=page.get_by_role("button"))
    row.last.get_by_role("button", name="Promote").click()
    page.get_by_role("button", name="Promote it").click()
    expect(page.get_by_text(f"{DONE}-r01 is live.")).to_be_visible()
    page.get_by_role("button", name="Roll back").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"{DONE}-r01 to {DONE}-r03")
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(page.get_by_text(f"{DONE}-r03 is live again.")).to_be_visible()


def test_a_version_has_a_card_with_its_lineage(open_page: OpenPage) -> None:
    page = open_page(f"/adapters/{DONE}-r02")
    expect(page.locator("ol.lineage li")).to_have_text(["base a3t/tiny", f"{DONE}-r00", f"{DONE}-r01", f"{DONE}-r02"])
    check(page, "adapter")
    check(open_page("/adapters", width=390, dark=True), "adapters-phone-dark")


def test_failures_show_what_games_write_as_text_and_are_tried_again(site: Site, open_page: OpenPage) -> None:
    page = open_page("/failures")
    expect(page.get_by_text(NASTY)).to_be_visible()
    assert page.evaluate("window.owned") is None
    check(page, "failures")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("will be tried again.")).to_be_visible()
    expect(page.get_by_text("No episode was given up.")).to_be_visible()
    check(open_page("/failures", width=390), "failures-phone")


def test_a_run_shows_what_games_write_in_its_events_as_text(open_page: OpenPage) -> None:
    page = open_page(f"/runs/{BUSY}")
    expect(page.get_by_text(f"is given up: {NASTY}")).to_be_visible()
    page.wait_for_timeout(2500)  # the parts that scripts put in are text, too
    expect(page.get_by_text(f"is given up: {NASTY}")).to_be_visible()
    assert page.evaluate("window.owned") is None


def test_services_tell_what_is_there_and_what_is_not(open_page: OpenPage) -> None:
    page = open_page("/services")
    expect(page.get_by_role("heading", name="trainer")).to_be_visible()
    expect(page.get_by_text("The address of the queue is not known.")).to_be_visible()
    check(page, "services")
    check(open_page("/services", width=390, dark=True), "services-phone-dark")


def test_every_page_is_reached_and_left_by_keyboard(open_page: OpenPage) -> None:
    page = open_page("/")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Start a run")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Start a run")).to_be_visible()
