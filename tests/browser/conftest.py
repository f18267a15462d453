"""A real Chromium in front of a real orchestrator whose store holds a few runs.

    def test_something(site: Site, open_page: OpenPage) -> None:
        page = open_page("/runs/…")                      # signed in, 1280 pixels wide, light
        phone = open_page("/", width=390, dark=True)
        check(page, "a-name")                            # axe-core, no sideways scrolling, a screenshot

A script that fails, and whatever the content security policy had to stop, fails the test.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.support.browser_site import Site, running_site

SCREENSHOTS = Path(__file__).parent / "screenshots"
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")

OpenPage: TypeAlias = Callable[..., Page]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A dashboard in production mode over a filled store; tests only read it."""
    with running_site(tmp_path_factory.mktemp("site")) as found:
        yield found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium of this machine."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        pytest.fail("There is no Chromium: `make test-browser` installs it (Debian: apt-get install chromium).")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield opened
        opened.close()


@pytest.fixture
def new_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens pages of browsers that have no cookie: `new_page(base_url, width=…, dark=…)`."""
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            troubles.append(message.text)

    def make(base_url: str, width: int = 1280, dark: bool = False) -> Page:
        context = browser.new_context(
            base_url=base_url,
            viewport={"width": width, "height": 844 if width < 600 else 900},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            device_scale_factor=2 if width < 600 else 1,
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", listen)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        return page

    yield make
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.fixture
def open_page(site: Site, new_page: OpenPage) -> OpenPage:
    """Opens a page of the filled site in a browser that is signed in: `open_page(path, width=1280, dark=False)`."""

    def make(path: str, width: int = 1280, dark: bool = False) -> Page:
        page = new_page(site.url, width, dark)
        page.context.add_cookies([{"name": "a3t_session", "value": site.cookie(), "url": site.url}])
        reply = page.goto(path)
        assert reply is not None
        assert reply.status == 200, f"{path} answers {reply.status}"
        return page

    return make


def check(page: Page, name: str) -> None:
    """Axe-core finds nothing serious, the page is not wider than the screen, and a screenshot is kept."""
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{name} scrolls sideways"
    found = Axe().run(page).response["violations"]
    serious = [
        f"{v['id']}: {v['help']} {[n['target'] for n in v['nodes']][:4]}"
        for v in found
        if v["impact"] in ("serious", "critical")
    ]
    assert serious == [], name
