"""Who gets in to the dashboard, and what no other site can do with a browser that is in."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from a3t_orchestrator.app import create_app
from a3t_orchestrator.dashboard import ROUTERS
from a3t_orchestrator.dashboard.guard import require_form_token
from a3t_orchestrator.dashboard.sessions import SESSION_SECONDS
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import Store

SECRET = "a-token-of-this-test"
READER = "a-token-that-only-reads"
BROWSER = {"Accept": "text/html"}


def settings(home: Path, mode: str) -> OrchestratorSettings:
    found = OrchestratorSettings.model_validate(
        {"home": home, "token": SECRET, "read_tokens": READER, "mode": mode, "redis_url": None}
    )
    store = Store(found.database)
    store.upgrade()
    store.close()
    return found


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[TestClient]:
    """A browser that has not signed in, in production."""
    app = create_app(settings(tmp_path, "production"))
    with TestClient(app, follow_redirects=False, headers=BROWSER) as client:
        yield client


def form_token(html: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', html)
    assert found is not None
    return found[1]


def sign_in(browser: TestClient, password: str = SECRET, next: str = "/") -> str:
    """The address to which the login page leads; the session's cookie is the browser's then."""
    token = form_token(browser.get("/login").text)
    reply = browser.post("/login", data={"csrf": token, "password": password, "next": next})
    assert reply.status_code == 303, reply.text
    return reply.headers["location"]


def test_a_page_leads_to_the_login_and_the_login_back_to_the_page(browser: TestClient) -> None:
    refused = browser.get("/runs/some?round=1")
    assert (refused.status_code, refused.headers["location"]) == (303, "/login?next=%2Fruns%2Fsome%3Fround%3D1")
    assert 'value="/runs/some?round=1"' in browser.get(refused.headers["location"]).text
    assert sign_in(browser, next="/runs/some?round=1") == "/runs/some?round=1"
    assert browser.get("/").status_code == 200


def test_a_wrong_password_opens_nothing(browser: TestClient) -> None:
    token = form_token(browser.get("/login").text)
    reply = browser.post("/login", data={"csrf": token, "password": "wröng"})
    assert reply.status_code == 401
    assert "This token is not known." in reply.text
    assert browser.get("/").status_code == 303


@pytest.mark.parametrize("elsewhere", ["//evil.example", "/\\evil.example", "https://evil.example", "/\r\nx: y"])
def test_the_login_never_leads_to_another_site(browser: TestClient, elsewhere: str) -> None:
    assert sign_in(browser, next=elsewhere) == "/"


def test_the_cookie_is_out_of_reach_of_scripts_and_secure_where_the_browser_speaks_https(browser: TestClient) -> None:
    plain = browser.get("/login").headers["set-cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=lax" in plain
    assert "Secure" not in plain
    browser.cookies.clear()
    assert "Secure" in browser.get("/login", headers={"X-Forwarded-Proto": "https"}).headers["set-cookie"]


def test_a_session_ends_when_it_is_signed_out_of_or_old_or_forged(
    browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(browser)
    token = form_token(browser.get("/").text)
    assert browser.post("/logout", data={"csrf": token}).headers["location"] == "/login"
    assert browser.get("/").status_code == 303
    sign_in(browser)
    kept = browser.cookies["a3t_session"]
    browser.cookies.clear()
    browser.cookies.set("a3t_session", kept.replace("/", "x/"))
    assert browser.get("/").status_code == 303
    browser.cookies.clear()
    browser.cookies.set("a3t_session", kept)
    assert browser.get("/").status_code == 200
    later = int(time.time()) + SESSION_SECONDS + 2
    monkeypatch.setattr("itsdangerous.TimestampSigner.get_timestamp", lambda signer: later)
    assert browser.get("/").status_code == 303


def test_a_form_needs_the_token_of_its_session(browser: TestClient) -> None:
    sign_in(browser)
    foreign = form_token(browser.get("/").text)
    assert browser.post("/logout").status_code == 403
    browser.cookies.clear()
    sign_in(browser)
    refused = browser.post("/logout", data={"csrf": foreign})
    assert refused.status_code == 403
    assert "has expired, or was not sent from the dashboard" in refused.text
    assert browser.get("/").status_code == 200


def test_every_router_of_pages_checks_forms() -> None:
    for router in ROUTERS:
        assert require_form_token in [found.dependency for found in router.dependencies]


def test_a_session_reads_the_api_and_changes_nothing_without_the_header(browser: TestClient) -> None:
    assert browser.get("/v1/runs").status_code == 401
    sign_in(browser)
    assert browser.get("/v1/runs").json() == []
    refused = browser.post("/v1/runs/none/none")
    assert refused.status_code == 403
    assert "does not authorise changes" in refused.json()["detail"]
    token = form_token(browser.get("/").text)
    assert browser.post("/v1/runs/none/none", headers={"X-CSRF-Token": token}).status_code == 404


def test_a_session_has_the_role_of_the_token_that_opened_it(browser: TestClient) -> None:
    sign_in(browser, READER)
    page = browser.get("/")
    assert page.status_code == 200
    token = form_token(page.text)
    refused = browser.post("/v1/runs/none/none", headers={"X-CSRF-Token": token})
    assert refused.status_code == 403
    assert "This request needs a token with the role" in refused.json()["detail"]
    assert browser.post("/logout", data={"csrf": token}).status_code == 303


def test_only_files_of_ours_may_run_and_no_site_may_frame_a_page(browser: TestClient) -> None:
    sign_in(browser)
    for path in ("/", "/login", "/runs/none", "/static/base.js"):
        headers = browser.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
    assert browser.get("/v1/runs").headers["x-content-type-options"] == "nosniff"


def test_no_template_has_scripts_styles_or_handlers_of_its_own() -> None:
    """The policy would forbid them, so that the page would be broken."""
    folder = Path(create_app.__code__.co_filename).parent / "dashboard" / "templates"
    for template in folder.rglob("*.html"):
        text = template.read_text("utf-8")
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", text), template.name


def test_errors_are_pages_for_browsers_and_documents_for_programs(browser: TestClient) -> None:
    sign_in(browser)
    shown = browser.get("/runs/<i>none")
    assert shown.status_code == 404
    assert "There is no run &#39;&lt;i&gt;none&#39;." in shown.text
    assert "text/html" in shown.headers["content-type"]
    told = browser.get("/runs/none", headers={"Accept": "application/json"})
    assert told.json()["detail"] == "There is no run 'none'."


def test_a_development_dashboard_is_open_on_this_machine_only(tmp_path: Path) -> None:
    app = create_app(settings(tmp_path, "development"))
    with TestClient(app, base_url="http://localhost", follow_redirects=False, headers=BROWSER) as browser:
        page = browser.get("/")
        assert page.status_code == 200
        assert browser.get("/v1/runs").status_code == 200
        assert browser.post("/logout").status_code == 403
        assert browser.post("/logout", data={"csrf": form_token(page.text)}).status_code == 303
    with TestClient(app, base_url="http://rebound.example", follow_redirects=False, headers=BROWSER) as foreign:
        assert foreign.get("/").headers["location"] == "/login"
        assert foreign.get("/v1/runs").status_code == 401
