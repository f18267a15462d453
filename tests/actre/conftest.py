"""Queries and episodes that the ActRe tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from a3t_actre.app import create_app
from a3t_actre.settings import ActReSettings
from a3t_contracts.clients import ActReClient, RetryPolicy
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

ServiceFactory = Callable[..., Awaitable[ActReClient]]
Upstream = dict[str, object]


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


@pytest.fixture(scope="session")
def proxy_server(llm_server: str) -> Iterator[tuple[FaultProxy, str]]:
    """A proxy in front of the LLM server, and its base URL."""
    proxy = FaultProxy(llm_server)
    with live_server(proxy) as url:
        yield proxy, url


@pytest.fixture
def proxy(proxy_server: tuple[FaultProxy, str]) -> FaultProxy:
    """Faults between the ActRe service and the LLM server; none at first."""
    proxy = proxy_server[0]
    proxy.reset()
    return proxy


@pytest.fixture(params=["openai", "tgi"])
def upstream(request: pytest.FixtureRequest, proxy: FaultProxy, proxy_server: tuple[FaultProxy, str]) -> Upstream:
    """Settings that reach the LLM server through the proxy, by its OpenAI and its TGI API."""
    tgi = request.param == "tgi"
    return {
        "actre_annotator": "llm",
        "actre_backend": "tgi" if tgi else "openai",
        "actre_openai_api": "chat" if request.param == "chat" else "completions",
        "actre_upstream_url": proxy_server[1] if tgi else f"{proxy_server[1]}/v1",
        "actre_upstream_token": DEVELOPMENT_TOKEN,
    }


@pytest.fixture
async def actre(tmp_path: Path) -> AsyncIterator[ServiceFactory]:
    """Makes clients of ActRe apps with the given settings; the apps run in the test's own process and event loop."""
    async with AsyncExitStack() as stack:

        async def start(token: str = DEVELOPMENT_TOKEN, **settings: object) -> ActReClient:
            app = create_app(ActReSettings(**({"home": tmp_path} | settings)))  # type: ignore[arg-type]
            await stack.enter_async_context(app.router.lifespan_context(app))
            client = ActReClient(
                "http://actre", token, retry=RetryPolicy(attempts=1), transport=httpx.ASGITransport(app)
            )
            return await stack.enter_async_context(client)

        yield start


@pytest.fixture
def actre_url(tmp_path: Path) -> Iterator[str]:
    """A served ActRe app with the template annotator."""
    with live_server(create_app(ActReSettings(home=tmp_path))) as url:
        yield url


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
