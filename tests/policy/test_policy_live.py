"""One truth of what is live: the registry's pointer, which every replica follows."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from a3t_contracts.clients import PolicyClient, RetryPolicy
from a3t_contracts.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from a3t_contracts.schemas.adapter import LivePointer
from a3t_contracts.schemas.policy import LoadAdapter, Sampling
from a3t_policy.app import create_app
from a3t_policy.backends.local import LocalBackend
from a3t_policy.generation import Generation
from a3t_trainer.app import create_app as create_trainer
from a3t_trainer.settings import TrainerSettings
from tests.support.live_server import live_server
from tests.support.round_robin import RoundRobin

from .conftest import FORCED, policy_settings

ONE, TWO, THREE = list(FORCED)[:3]


@pytest.fixture
def shelf(registry: Path, tmp_path: Path) -> Path:
    """A registry of the test's own with three versions and no pointer."""
    for version in (ONE, TWO, THREE):
        shutil.copytree(registry / version, tmp_path / "registry" / version)
    return tmp_path / "registry"


@pytest.fixture
def trainer(shelf: Path, tmp_path: Path) -> Iterator[str]:
    """The trainer service of that registry."""
    with live_server(create_trainer(TrainerSettings(home=tmp_path, trainer_keep_warm=False))) as url:
        yield url


def settings_of(base: Path, home: Path, **changes: Any) -> Any:
    fixed = {"policy_live": "registry", "policy_max_context": 256, "policy_slots": 8, "policy_watch_registry": 0.0}
    return policy_settings(base, home, registry=str(home / "registry"), **(fixed | changes))


@asynccontextmanager
async def running(base: Path, home: Path, **changes: Any) -> AsyncIterator[LocalBackend]:
    backend = LocalBackend(settings_of(base, home, **changes))
    await backend.start()
    try:
        yield backend
    finally:
        await backend.close()


def point_at(shelf: Path, version: str | None, *history: str) -> None:
    (shelf / "live.json").write_text(LivePointer(version=version, history=list(history)).model_dump_json())


def damage(shelf: Path, version: str) -> None:
    (shelf / version / "adapter_model.safetensors").write_bytes(b"x")


async def says(backend: LocalBackend, model: str | None = None) -> str:
    """The version that answers, after a look at what it wrote."""
    ask = Generation(backend.codec.prompt("Observation: x"), "", Sampling(max_tokens=3), model=model, ignore_eos=True)
    done = await backend.generate(ask)
    assert done.model not in FORCED or done.ids == [FORCED[done.model]] * 3
    return done.model


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def test_the_pointer_is_followed_to_a_version_and_back_to_the_base(
    tiny_model: Path, shelf: Path, tmp_path: Path
) -> None:
    async with running(tiny_model, tmp_path, policy_watch_registry=0.02) as backend:
        assert await says(backend) == str(tiny_model), "the newest version is not live by itself"
        for version in (ONE, TWO, None, ONE):
            point_at(shelf, version)
            await until(lambda version=version: backend.versions.live.name == (version or str(tiny_model)))  # type: ignore[misc]
            assert await says(backend) == (version or str(tiny_model))
            assert backend.live_state().refused is None


async def test_a_pointer_that_cannot_be_followed_leaves_the_last_good(
    tiny_model: Path, shelf: Path, tmp_path: Path
) -> None:
    point_at(shelf, ONE)
    damage(shelf, TWO)
    async with running(tiny_model, tmp_path) as backend:
        for spoil, reason in [
            (lambda: point_at(shelf, TWO), "does not match"),
            (lambda: point_at(shelf, "gone-r00"), "no adapter version 'gone-r00'"),
            (lambda: (shelf / "live.json").write_text("{"), "live.json is broken"),
            (lambda: (shelf / "live.json").unlink(), "no longer has its pointer"),
        ]:
            spoil()
            state = await backend.follow()
            assert state.live == ONE == await says(backend)
            assert reason in str(state.refused)
            assert (await backend.ready())["refused"] == state.refused
        point_at(shelf, THREE)
        assert (await backend.follow()).model_dump() == {"live": THREE, "pointer": THREE, "refused": None}


async def test_a_start_with_a_bad_version_serves_the_last_good_of_the_history(
    tiny_model: Path, shelf: Path, tmp_path: Path
) -> None:
    point_at(shelf, THREE, ONE, TWO)
    damage(shelf, THREE)
    damage(shelf, TWO)
    async with running(tiny_model, tmp_path) as backend:
        assert await says(backend) == ONE
        assert (backend.live_state().pointer, "does not match" in str(backend.live_state().refused)) == (THREE, True)


async def test_what_is_live_is_not_guessed_while_the_registry_cannot_be_read(
    tiny_model: Path, shelf: Path, tmp_path: Path
) -> None:
    (shelf / "live.json").mkdir()  # reading it fails otherwise than by its absence
    async with running(tiny_model, tmp_path, policy_watch_registry=0.02) as backend:
        with pytest.raises(UnavailableError, match="not known yet"):
            await says(backend)
        with pytest.raises(UnavailableError):
            await backend.ready()
        assert await says(backend, ONE) == ONE, "a version that is named is served"
        (shelf / "live.json").rmdir()
        point_at(shelf, TWO)
        await until(lambda: backend.versions.live.name == TWO and backend.versions.unsettled is None)
        assert await says(backend) == TWO


async def test_a_restart_follows_the_pointer_and_holds_what_it_held(
    tiny_model: Path, shelf: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(shelf / THREE, plain)
    (plain / "manifest.json").unlink()
    point_at(shelf, ONE)
    async with running(tiny_model, tmp_path) as backend:
        await backend.load("by-hand", str(plain), make_default=False)
        assert await says(backend) == ONE
    point_at(shelf, TWO)
    async with running(tiny_model, tmp_path) as backend:
        assert await says(backend) == TWO
        assert {card.id for card in backend.models()} == {str(tiny_model), ONE, TWO, "by-hand"}
    async with running(tiny_model, tmp_path, policy_restore="none") as backend:
        assert [card.id for card in backend.models()] == [str(tiny_model), TWO]
    async with running(tiny_model, tmp_path, policy_max_adapters=1) as backend:
        assert [card.id for card in backend.models()] == [str(tiny_model), TWO]


async def test_a_version_that_is_named_is_loaded_once(tiny_model: Path, shelf: Path, tmp_path: Path) -> None:
    async with running(tiny_model, tmp_path) as backend:
        loads = 0
        put = backend.put

        async def counted(version: Any) -> None:
            nonlocal loads
            loads += 1
            await put(version)

        backend.put = counted  # type: ignore[method-assign]
        assert await asyncio.gather(*(says(backend, ONE) for _ in range(16))) == [ONE] * 16
        assert loads == 1
        for name in ("nobody-r00", "org/other-model", "../registry"):
            with pytest.raises(NotFoundError, match="is served here"):
                await says(backend, name)
        damage(shelf, TWO)
        with pytest.raises(InvalidInputError, match="does not match"):
            await says(backend, TWO)
        await backend.unload(ONE)
        assert await says(backend, ONE) == ONE, "a run goes on that names it"


async def test_a_load_on_demand_outlives_the_request_that_left(tiny_model: Path, shelf: Path, tmp_path: Path) -> None:
    async with running(tiny_model, tmp_path) as backend:
        task = asyncio.ensure_future(says(backend, ONE))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await until(lambda: backend.versions.holds(ONE))
        assert await says(backend, ONE) == ONE


async def test_make_default_moves_the_pointer(tiny_model: Path, shelf: Path, tmp_path: Path, trainer: str) -> None:
    async with running(tiny_model, tmp_path, trainer_url=trainer) as backend:
        for _ in range(2):
            assert (await backend.load(ONE, None, make_default=True)).live
        assert not (await backend.load(TWO, None, make_default=False)).live
        assert json.loads((shelf / "live.json").read_text())["version"] == ONE
        damage(shelf, THREE)
        with pytest.raises(InvalidInputError, match="does not match"):
            await backend.load(THREE, None, make_default=True)
        with pytest.raises(InvalidInputError, match="version of the registry"):
            await backend.load("x", str(shelf / TWO), make_default=True)
        with pytest.raises(ConflictError, match="is live"):
            await backend.unload(ONE)
        assert json.loads((shelf / "live.json").read_text())["version"] == ONE == await says(backend)
    async with running(tiny_model, tmp_path, trainer_url=trainer, policy_max_adapters=1) as backend:
        assert (await backend.load(TWO, None, make_default=True)).live
    async with running(tiny_model, tmp_path) as backend:
        with pytest.raises(ConflictError, match="A3T_TRAINER_URL"):
            await backend.load(ONE, None, make_default=True)
        assert await says(backend) == TWO


async def test_replicas_behind_one_address_do_not_differ(
    tiny_model: Path, shelf: Path, tmp_path: Path, trainer: str, token: str
) -> None:
    """Three real services; whichever is told, all follow, and one that comes late does so from its start."""

    def replica(number: int) -> Any:
        home = tmp_path / f"replica-{number}"
        where = {"registry": str(shelf), "trainer_url": trainer, "policy_watch_registry": 0.05}
        return create_app(policy_settings(tiny_model, home, policy_live="registry", **where))

    with live_server(replica(0)) as a, live_server(replica(1)) as b:
        balancer = RoundRobin(a, b)
        with live_server(balancer.app()) as url:
            async with PolicyClient(url, token, retry=RetryPolicy(attempts=1)) as client:
                assert (await client.load(LoadAdapter(lora_name=ONE, make_default=True))).live
                await _all_live(balancer, token, ONE)
                with live_server(replica(2)) as c:
                    balancer.targets.append(c)
                    assert {await _answers(target, token) for target in balancer.targets} == {ONE}
                    for _ in range(3):  # a version that none of them holds, then one that some do
                        assert await _answers(url, token, TWO) == TWO
                    await client.load(LoadAdapter(lora_name=TWO, make_default=True))
                    await _all_live(balancer, token, TWO)


async def _answers(url: str, token: str, model: str | None = None) -> str:
    body = {"prompt": "Observation: x", "max_tokens": 2, "temperature": 0} | ({"model": model} if model else {})
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http:
        reply = await http.post(f"{url}/v1/completions", json=body)
    reply.raise_for_status()
    return str(reply.json()["model"])


async def _all_live(balancer: RoundRobin, token: str, version: str) -> None:
    async with asyncio.timeout(60):
        while {await _answers(target, token) for target in balancer.targets} != {version}:
            await asyncio.sleep(0.01)
