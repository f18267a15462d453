"""Signing in and out, as a person does it."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.support.browser_site import Site

from .conftest import OpenPage, check


def test_one_signs_in_with_the_token_and_out_again(site: Site, new_page: OpenPage) -> None:
    page = new_page(site.url)
    page.goto("/runs/household-s1")
    expect(page.get_by_role("heading", name="Sign in to A³T")).to_be_visible()
    check(page, "login")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("This token is not known.")
    check(page, "login-wrong")
    page.get_by_label("Token").fill(site.token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="household-s1")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    page.goto("/")
    expect(page.get_by_label("Token")).to_be_focused()


def test_login_on_a_phone_in_the_dark(site: Site, new_page: OpenPage) -> None:
    page = new_page(site.url, width=390, dark=True)
    page.goto("/login")
    check(page, "login-phone-dark")


def test_what_is_not_there_is_said_in_words(site: Site, open_page: OpenPage) -> None:
    page = open_page("/")
    page.goto("/runs/none")
    expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible()
    expect(page.get_by_text("There is no run 'none'.")).to_be_visible()
    check(page, "error")
