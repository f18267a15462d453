"""The pages over a filled store, without a browser: what they show, what their forms do, what they say of errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape

import pytest
from fastapi.testclient import TestClient

from a3t_contracts.schemas import JobEvent
from a3t_orchestrator.app import create_app
from a3t_orchestrator.dashboard.plots import sparkline
from a3t_orchestrator.dashboard.run_plots import loss_plots
from a3t_orchestrator.dashboard.words import duration, figure
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import Store, get_run, list_failures
from tests.support.dashboard_store import BUSY, DONE, FAILED, NASTY, RIVAL, fill_store

SECRET = "a-token-of-this-test"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> OrchestratorSettings:
    home = tmp_path_factory.mktemp("home")
    found = OrchestratorSettings.model_validate({"home": home, "token": SECRET, "redis_url": None})
    store = Store(found.database)
    store.upgrade()
    fill_store(store)
    store.close()
    return found


@pytest.fixture(scope="module")
def browser(settings: OrchestratorSettings) -> Iterator[TestClient]:
    """A browser that is signed in by the form's token alone: in development this machine needs no login."""
    headers = {"Accept": "text/html"}
    with TestClient(create_app(settings), base_url="http://localhost", headers=headers) as client:
        page = client.get("/").text
        client.headers["X-CSRF-Token"] = page.partition('name="csrf" content="')[2].partition('"')[0]
        yield client


@pytest.fixture
def store(browser: TestClient) -> Store:
    found: Store = browser.app.state.store  # type: ignore[attr-defined]
    return found


def plots(html: str) -> list[dict[str, object]]:
    parts = html.split('data-plot="')[1:]
    return [json.loads(unescape(part.partition('"')[0])) for part in parts]


def test_the_list_tells_progress_success_and_errors(browser: TestClient) -> None:
    text = browser.get("/").text
    for expected in (DONE, "20 of 48", "composed episodes of failed tasks", "More than 5 % of the phase", "<polyline"):
        assert expected in text
    assert "<html" not in browser.get("/runs/part/list").text


def test_a_run_has_curves_with_intervals_beside_the_published_figures(browser: TestClient) -> None:
    text = browser.get(f"/runs/{DONE}").text
    unseen = next(p for p in plots(text) if p["title"] == "Success on valid_unseen")
    series = {s["name"]: s for s in unseen["series"]}  # type: ignore[attr-defined]
    assert series["published, single trial"]["values"] == [60.0, 80.0, 88.0, 92.0]
    single = series["single trial"]
    assert all(
        low < value < high for low, value, high in zip(single["low"], single["values"], single["high"], strict=True)
    )
    assert all(a >= b for a, b in zip(series["accumulated"]["values"], single["values"], strict=True))
    assert '<table class="heat">' in text
    assert "by invalid streak" in text


def test_what_has_ended_is_not_asked_for_again(browser: TestClient) -> None:
    assert browser.get(f"/runs/{DONE}/part/figures").headers["x-last"] == "yes"
    assert "x-last" not in browser.get(f"/runs/{BUSY}/part/figures").headers


def test_runs_are_laid_over_each_other(browser: TestClient) -> None:
    text = browser.get("/compare", params={"run": [DONE, RIVAL]}).text
    first, *_ = plots(text)
    assert [s["name"] for s in first["series"]] == [DONE, RIVAL]  # type: ignore[attr-defined]
    refused = browser.get("/compare", params={"run": [DONE, DONE]})
    assert refused.status_code == 422
    assert "Two to 6 runs can be compared; the request names 1." in refused.text


def test_a_compared_run_tells_of_the_agent_that_was_evaluated_last(browser: TestClient) -> None:
    text = browser.get("/compare", params={"run": [DONE, BUSY]}).text
    row = text.partition(f'<a href="/runs/{BUSY}">')[2].partition("</tr>")[0]
    cells = re.findall(r'<td class="num">([^<]*)', row)
    assert cells[1] == "1", "round 2 is played, so the last agent is that of round 1"
    growth = next(p for p in plots(text) if p["title"] == "Training set")
    series = {s["name"]: s["values"] for s in growth["series"]}  # type: ignore[attr-defined]
    assert cells[-1] == f"{series[BUSY][1]:.0f}"


def test_losses_need_the_trainer_and_say_so(browser: TestClient) -> None:
    assert "Set A3T_TRAINER_URL." in browser.get(f"/runs/{DONE}/part/loss").text
    assert "as soon as a round trains" in browser.get(f"/runs/{FAILED}/part/loss").text
    assert "Set A3T_TRAINER_URL." in browser.get("/adapters").text
    assert browser.get("/adapters/none").status_code == 503


def test_losses_are_drawn_by_part_and_thinned() -> None:
    parts = {"loss": 1.0, "loss_parts": {"success": 0.5}}
    events = [
        JobEvent(id=str(i), seq=i, created_at=0, type="metrics", message="", data={"step": i} | parts)
        for i in range(1, 1201)
    ]
    whole, by_part = loss_plots(events, "v")
    assert [s.name for s in (*whole.series, *by_part.series)] == ["loss", "success"]
    assert (len(whole.x), whole.x[-1]) == (400, 1200.0)
    assert loss_plots([], "v") == []


def test_texts_of_games_are_shown_as_text(browser: TestClient) -> None:
    for path in (f"/runs/{BUSY}", f"/runs/{BUSY}/part/log", "/failures"):
        text = browser.get(path).text
        assert "window.owned" in text
        assert NASTY not in text
        assert "<img src=x" not in text


def test_a_failure_is_tried_again(browser: TestClient, store: Store) -> None:
    with store.session() as session:
        (found,) = list_failures(session)
    assert "will be tried again." in browser.post(f"/failures/{found.id}/retry", data={"back": BUSY}).text
    refused = browser.post(f"/failures/{found.id}/drop")
    assert "was given up" in refused.text
    assert "No episode was given up" in refused.text


def test_buttons_change_what_a_run_wants_and_say_why_not(browser: TestClient, store: Store) -> None:
    assert f"{BUSY} will pause" in browser.post(f"/runs/{BUSY}/pause").text
    with store.session() as session:
        assert get_run(session, BUSY).wanted == "paused"
    assert f"{BUSY} continues." in browser.post(f"/runs/{BUSY}/resume").text
    assert "there is nothing to pause" in browser.post(f"/runs/{DONE}/pause").text
    assert browser.post(f"/runs/{DONE}/explode").status_code == 422
    assert "ends it first" in browser.post(f"/delete/runs/{BUSY}").text
    assert f"{FAILED} is deleted" in browser.post(f"/delete/runs/{FAILED}").text
    assert browser.get(f"/runs/{FAILED}").status_code == 404


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "No recipe is chosen."),
        ({"text": "a: [b"}, "The pasted recipe is not valid YAML"),
        ({"text": "just words"}, "not a mapping"),
        ({"text": "name: x\nenvironment: household\nrownds: 3"}, "rownds"),
        ({"recipe": "none"}, "There is no recipe"),
        ({"recipe": "demo", "rounds": "many"}, "rounds: "),
        ({"recipe": "demo", "overrides": "compose.p"}, "compose.p"),
    ],
)
def test_the_form_says_what_is_wrong_and_keeps_what_was_typed(
    browser: TestClient, fields: dict[str, str], said: str
) -> None:
    reply = browser.post("/start", data=fields | {"name": "kept-name"})
    assert reply.status_code in (404, 422)
    assert said in unescape(reply.text)
    assert 'value="kept-name"' in reply.text


def test_services_without_addresses_are_told(browser: TestClient) -> None:
    text = browser.get("/services").text
    assert "Set A3T_REDIS_URL." in text
    assert "worker-1@host" in text


def test_values_in_words() -> None:
    assert [duration(s) for s in (None, 0.84, 41.2, 3725, 90_000)] == ["–", "0.8 s", "41 s", "1 h 2 min", "1 d 1 h"]
    assert [figure(v) for v in (None, "x", 3, 0.123456, 812340.4)] == ["–", "x", "3", "0.12346", "812\u202f340"]
    assert sparkline([0.0, 1.0]).points == "4.0,32.0 108.0,4.0"
    assert sparkline([0.5]).points == "4.0,18.0 108.0,18.0"
