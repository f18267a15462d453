"""Runs: looked at, compared, begun, paused, and seen to move."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from a3t_orchestrator.store import add_event, save_progress, touch_run
from tests.support.browser_site import Site
from tests.support.dashboard_store import BUSY, DONE, FAILED, RIVAL

from .conftest import OpenPage, check


def test_the_list_of_runs_at_every_width_and_in_the_dark(open_page: OpenPage) -> None:
    page = open_page("/")
    expect(page.get_by_role("link", name=DONE, exact=True)).to_be_visible()
    check(page, "runs")
    check(open_page("/", dark=True), "runs-dark")
    check(open_page("/", width=390), "runs-phone")


def test_a_run_with_its_curves(open_page: OpenPage) -> None:
    page = open_page(f"/runs/{DONE}")
    expect(page.get_by_text("Training of household-s1-r03", exact=True)).to_be_visible()
    expect(page.locator("figure.plot canvas")).to_have_count(5)
    check(page, "run")
    page.get_by_role("region", name="Training", exact=True).get_by_text("Figures as a table").first.click()
    expect(page.get_by_role("table", name="Training of household-s1-r03, loss")).to_be_visible()
    page.get_by_role("link", name="round 1", exact=True).click()
    expect(page.get_by_text("Training of household-s1-r01", exact=True)).to_be_visible()


def test_a_run_on_a_phone_and_in_the_dark(open_page: OpenPage) -> None:
    for name, width, dark in (("run-phone", 390, False), ("run-dark", 1280, True), ("run-phone-dark", 390, True)):
        page = open_page(f"/runs/{DONE}", width=width, dark=dark)
        expect(page.locator("figure.plot canvas")).to_have_count(5)
        check(page, name)


def test_runs_are_ticked_and_compared(open_page: OpenPage) -> None:
    page = open_page("/")
    for name in (DONE, RIVAL):
        page.get_by_label(f"Compare {name}").check()
    page.get_by_role("button", name="Compare the selected runs").click()
    expect(page.get_by_role("heading", name="Comparison of 2 runs")).to_be_visible()
    expect(page.locator("figure.plot canvas")).to_have_count(3)
    check(page, "compare")


def test_one_ticked_run_is_not_a_comparison(open_page: OpenPage) -> None:
    page = open_page("/")
    page.get_by_label(f"Compare {DONE}").check()
    page.get_by_role("button", name="Compare the selected runs").click()
    expect(page.get_by_text("Two to 6 runs can be compared; the request names 1.")).to_be_visible()


def test_progress_is_seen_to_move_without_loading_the_page_again(site: Site, open_page: OpenPage) -> None:
    page = open_page(f"/runs/{BUSY}")
    expect(page.get_by_role("definition").filter(has_text="20 of 48")).to_be_visible()
    check(page, "run-busy")
    page.evaluate("window.notLoadedAgain = true")
    with site.store.session() as session:
        save_progress(session, BUSY, {"round": 2, "phase": "compose", "total": 48, "done": 37, "successes": 20})
        add_event(session, BUSY, 2, "news", "Something new has happened")
    expect(page.get_by_role("definition").filter(has_text="37 of 48")).to_be_visible()
    expect(page.get_by_text("Something new has happened")).to_be_visible()
    with site.store.session() as session:
        touch_run(session, BUSY, phase="train")
    expect(page.locator("#said")).to_contain_text("training")
    with site.store.session() as session:
        touch_run(session, BUSY, phase="compose")
    assert page.evaluate("window.notLoadedAgain") is True


def test_a_run_is_followed_by_its_stream_and_asked_for_only_when_something_happens(
    site: Site, open_page: OpenPage
) -> None:
    page = open_page("/")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(site.url)))
    with page.expect_request(lambda request: "/events?stream=true&after=" in request.url):
        page.goto(f"/runs/{BUSY}")
    page.wait_for_timeout(4000)  # each part asks once before the stream has come
    asked.clear()
    page.wait_for_timeout(4500)  # three times as long as a part that asks by itself waits
    assert [path for path in asked if path.endswith(("/part/state", "/part/log"))] == []
    with site.store.session() as session:
        add_event(session, BUSY, 2, "news", "Told by the stream")
    expect(page.get_by_text("Told by the stream")).to_be_visible()


def test_a_run_is_asked_for_where_its_stream_does_not_come(site: Site, open_page: OpenPage) -> None:
    page = open_page("/")
    page.route("**/events?stream=true*", lambda route: route.fulfill(status=503, body="away"))
    page.goto(f"/runs/{BUSY}")
    with site.store.session() as session:
        add_event(session, BUSY, 2, "news", "Found by asking")
    expect(page.get_by_text("Found by asking")).to_be_visible()


@pytest.fixture
def failed_run(site: Site) -> Iterator[str]:
    """A run that has failed; it has again after the test, however that ends."""
    yield FAILED
    with site.store.session() as session:
        touch_run(session, FAILED, status="failed", wanted="running", round=0)


def test_what_a_form_said_goes_when_the_run_has_moved_on(site: Site, open_page: OpenPage, failed_run: str) -> None:
    page = open_page(f"/runs/{failed_run}")
    page.get_by_role("button", name="Resume").click()
    said = page.get_by_text(f"{failed_run} continues.")
    expect(said).to_be_visible()
    with site.store.session() as session:
        touch_run(session, failed_run, status="running", round=1)
    expect(said).to_have_count(0, timeout=15_000)  # a notice stays for five seconds at least


@pytest.mark.usefixtures("failed_run")
def test_a_run_is_paused_after_the_question_and_resumed(open_page: OpenPage) -> None:
    page = open_page(f"/runs/{FAILED}")
    check(page, "run-failed")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text(f"{FAILED} continues.")).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("a user asked for: paused")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"End {FAILED}?")
    page.get_by_role("button", name="Go back").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="End it").click()
    expect(page.get_by_text(f"{FAILED} will end.")).to_be_visible()


def test_the_form_that_begins_a_run_says_what_is_wrong_and_keeps_what_was_typed(open_page: OpenPage) -> None:
    page = open_page("/start")
    check(page, "start")
    page.get_by_text("Paste a recipe of your own").click()
    page.get_by_label("Recipe, as YAML").fill("name: mine\nenvironment: household\nrownds: 3\n")
    page.get_by_label("Name", exact=True).fill("mine-1")
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_role("alert")).to_contain_text("rownds")
    expect(page.get_by_label("Name", exact=True)).to_have_value("mine-1")
    expect(page.get_by_label("Recipe, as YAML")).to_have_value("name: mine\nenvironment: household\nrownds: 3\n")
    check(page, "start-wrong")
