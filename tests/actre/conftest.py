"""Queries and episodes that the ActRe tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from a3t_actre.app import create_app
from a3t_actre.settings import ActReSettings
from a3t_contracts.react import History, Turn
from a3t_contracts.schemas import ReasonQuery
from a3t_contracts.settings import DEVELOPMENT_TOKEN
from tests.support.fault_proxy import FaultProxy
from tests.support.live_server import live_server
from tests.support.reason_model import make_reason_model

FIRST = (
    "-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room. Looking quickly around you, you see a "
    "drawer 1, a shelf 2, and a shelf 1.\n\nYour task is to: put a mug in shelf."
)

ServiceFactory = Callable[..., str]


@pytest.fixture
def query() -> ReasonQuery:
    """A first action in ALFWorld."""
    return make_query("go to shelf 1")


def make_query(action: str, *turns: tuple[str, str]) -> ReasonQuery:
    """An action after some turns of one ALFWorld episode."""
    history = History(
        environment="alfworld", observation=FIRST, turns=[Turn(action=a, observation=o) for a, o in turns]
    )
    return ReasonQuery(history=history, action=action)


@pytest.fixture(scope="session")
def llm_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of the policy service, which speaks OpenAI's and TGI's API, over the one-sentence model."""
    from a3t_policy.app import create_app as create_policy
    from a3t_policy.settings import PolicySettings

    folder = tmp_path_factory.mktemp("llm")
    settings = PolicySettings(
        home=folder, policy_base_model=str(make_reason_model(folder / "model")), policy_max_context=16384
    )
    with live_server(create_policy(settings)) as url:
        yield url


@pytest.fixture
def proxy(llm_server: str) -> FaultProxy:
    """Faults between the ActRe service and the LLM server."""
    return FaultProxy(llm_server)


@pytest.fixture(params=["openai", "chat", "tgi"])
def upstream(request: pytest.FixtureRequest, proxy: FaultProxy) -> Iterator[dict[str, object]]:
    """Settings that reach the LLM server through the proxy in each of the three ways."""
    with live_server(proxy) as url:
        tgi = request.param == "tgi"
        yield {
            "actre_annotator": "llm",
            "actre_backend": "tgi" if tgi else "openai",
            "actre_openai_api": "chat" if request.param == "chat" else "completions",
            "actre_upstream_url": url if tgi else f"{url}/v1",
            "actre_upstream_token": DEVELOPMENT_TOKEN,
        }


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ServiceFactory]:
    """Starts ActRe services: settings in, base URL out."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def start(**settings: object) -> str:
            values = {"home": tmp_path} | settings
            return stack.enter_context(live_server(create_app(ActReSettings(**values))))  # type: ignore[arg-type]

        yield start


@pytest.fixture(scope="session")
def real_tasks(reference_data: Path) -> list[tuple[str, str]]:
    """(task type, text with the task) of real games, both releases of the grammar."""
    import json
    import re
    import tarfile

    found = []
    for name in ("valid_seen", "valid_seen_put"):
        with tarfile.open(reference_data / "alfworld" / f"{name}.tar.xz") as archive:
            for member in archive:
                if member.name.endswith("game.tw-pddl") and (file := archive.extractfile(member)):
                    task = re.search(r"Your task is to: [^\"\\]*", json.load(file)["grammar"])
                    found.append((member.name.split("/")[-3].split("-")[0], task.group() if task else member.name))
    return found
