"""Episodes as pages tell them, and games that are played there."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from a3t_contracts.clients import PolicyClient
from a3t_contracts.errors import NotFoundError, OverloadedError
from a3t_contracts.schemas import (
    ActRequest,
    ActResult,
    ActTurn,
    History,
    ReasonBy,
    Sampling,
    Source,
    Step,
    StopReason,
    TrajectoryKind,
)
from a3t_env.app import create_app as create_env
from a3t_env.environments import Environments
from a3t_env.settings import EnvSettings
from a3t_orchestrator.dashboard import playing
from a3t_orchestrator.dashboard.page import render
from a3t_orchestrator.dashboard.playing import Games, act
from a3t_orchestrator.dashboard.services import token_texts
from a3t_orchestrator.dashboard.story import beside, excerpt, tokens_of
from a3t_orchestrator.play.game import TaskChoice
from a3t_orchestrator.recipe import parse_recipe
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import Store, counterpart, create_run, get_trajectory, save_trajectory, trajectory_row
from a3t_policy.app import create_app as create_policy
from a3t_policy.settings import PolicySettings
from tests.support.corridor import CorridorEnvironment
from tests.support.live_server import live_server
from tests.support.two_episodes import save_two_episodes

TOKEN = "games-of-the-tests"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A run with a failure and a success on one task, in round 3."""
    opened = Store(f"sqlite:///{tmp_path / 'a3t.db'}")
    opened.upgrade()
    with opened.session() as session:
        create_run(session, "r", parse_recipe({"name": "r", "environment": "household"}), "", {})
        save_two_episodes(session, "r")
    return opened


def test_two_episodes_are_aligned_at_the_first_difference(store: Store) -> None:
    with store.session() as session:
        failed, won = save_two_episodes(session, "r")
        left, right = get_trajectory(session, failed), get_trajectory(session, won)
    found = beside(left, right)
    assert [s.action for s in found.alike] == ["go to countertop 1", "take soapbar 2 from countertop 1"]
    assert next((a and a.action, b and b.action) for a, b in found.apart) == ("go to cabinet 1", "go to sinkbasin 1")
    assert [a is None for a, _ in found.apart] == [False, False, False, True, True]
    assert beside(left, left).apart == []
    assert beside(left, right.model_copy(update={"steps": []})).alike == []


def test_the_counterpart_is_of_the_same_round_where_there_is_one(store: Store) -> None:
    with store.session() as session:
        failed, won = save_two_episodes(session, "r", number=2)
        assert counterpart(session, trajectory_row(session, failed)).id == won  # type: ignore[union-attr]
        assert counterpart(session, trajectory_row(session, won)).id == failed  # type: ignore[union-attr]
        mine = get_trajectory(session, won)
        alone = {"id": "a" * 24, "round": 1, "success": False, "stop_reason": StopReason.max_steps}
        own = mine.model_copy(update=alone | {"kind": TrajectoryKind.policy})
        save_trajectory(session, "", own, phase="rollout")
        latest = counterpart(session, trajectory_row(session, "a" * 24))
        assert latest is not None
        assert latest.round == 3, "none of round 1: the latest"
        poor = mine.model_copy(update=alone | {"id": "b" * 24, "sample": 1})
        save_trajectory(session, "", poor, phase="compose")
        assert counterpart(session, trajectory_row(session, "b" * 24)) is None, "a composed failure has none"


def test_an_excerpt_is_around_the_first_word_that_was_found(store: Store) -> None:
    steps = [{"observation": "x " * 100 + "a Mug 1." + " y" * 100, "thought": None, "action": "take"}]
    found = excerpt('"mug 1" -lamp', steps, "")
    assert found is not None
    assert (found.found, found.before[0], found.after[-1], len(found.before)) == ("Mug 1", "…", "…", 61)
    assert excerpt("-lamp", steps, "") is None
    last = excerpt("end", steps, "The end.")
    assert last is not None
    assert (last.before, last.found, last.after) == ("The ", "end", ".")


def test_tokens_without_ids_are_told_by_place(store: Store) -> None:
    with store.session() as session:
        _, won = save_two_episodes(session, "r")
        steps = get_trajectory(session, won).steps
    assert [(t.place, t.id, t.logprob) for t in tokens_of(steps[0])][1] == (1, 4000, -0.9)
    assert [t.id for t in tokens_of(steps[0].model_copy(update={"completion_ids": None}))] == [None] * 4
    assert tokens_of(steps[2]) == []


async def test_tokens_have_the_texts_of_the_policy_s_tokenizer(tiny_model: Path, tmp_path: Path) -> None:
    policy = PolicySettings.model_validate(
        {"home": tmp_path, "token": TOKEN, "policy_base_model": str(tiny_model), "policy_device": "cpu"}
    )
    settings = OrchestratorSettings.model_validate(
        {"home": tmp_path, "token": TOKEN, "policy_url": "http://127.0.0.1:9"}
    )
    with live_server(create_policy(policy)) as url:
        async with PolicyClient(url, TOKEN) as client:
            history = History(environment="alfworld", observation="You are here.")
            turn = ActTurn(history=history, sampling=Sampling(max_tokens=6))
            (done,) = (await client.act(ActRequest(turns=[turn]))).results
        assert isinstance(done, ActResult)
        named = {"policy_action": done.action, "policy_version": done.model}
        told = {"completion": done.completion, "completion_ids": done.completion_ids, "logprobs": done.logprobs}
        by = {"source": Source.policy, "reason_by": ReasonBy.none}
        step = Step(index=0, observation="", action="x", valid=True, **by, **named, **told)
        assert await token_texts(settings, step) is None, "the policy service is away"
        settings.policy_url = url
        texts = await token_texts(settings, step)
        assert texts is not None
        assert len(texts) == len(done.completion_ids)
        assert all(text in done.completion for text in texts if not text.startswith("bytes:"))
        assert [token.text for token in tokens_of(step, texts)] == texts
        shown = render("tokens.html", step=step, tokens=tokens_of(step, ["<b> x\n"] * 6), texts=texts, notice=None)
        assert "<code>&lt;b&gt;␣x⏎</code>" in shown
        other = step.model_copy(update={"completion": "What another base wrote"})
        assert await token_texts(settings, other) is None


@pytest.fixture
async def games(tmp_path: Path) -> AsyncIterator[tuple[Games, CorridorEnvironment]]:
    corridor = CorridorEnvironment()
    env = create_env(
        EnvSettings.model_validate({"home": tmp_path, "token": TOKEN}), Environments({"alfworld": lambda: corridor})
    )
    with live_server(env) as url:
        nobody = "http://127.0.0.1:9"
        values = {"home": tmp_path, "token": TOKEN, "env_url": url, "policy_url": nobody, "actre_url": nobody}
        yield Games(OrchestratorSettings.model_validate(values)), corridor


async def test_idle_games_give_their_sessions_back(
    games: tuple[Games, CorridorEnvironment], monkeypatch: pytest.MonkeyPatch
) -> None:
    table, corridor = games
    first = await table.start(TaskChoice(task_id="corridor-3"))
    table.get(first).used = time.monotonic() - playing.IDLE_SECONDS - 1
    second = await table.start(TaskChoice(task_id="corridor-3"))
    assert len(corridor.running) == 1
    with pytest.raises(NotFoundError, match="no such game"):
        table.get(first)
    monkeypatch.setattr(playing, "MOST_GAMES", 1)
    with pytest.raises(OverloadedError, match="1 games are open"):
        await table.start(TaskChoice(task_id="corridor-3"))
    await table.close(second)
    assert not corridor.running


async def test_a_service_that_is_away_is_told_and_the_game_goes_on(games: tuple[Games, CorridorEnvironment]) -> None:
    table, _ = games
    name = await table.start(TaskChoice(task_id="corridor-3"))
    async with table.open(name) as played:
        await played.game.suggest()
    assert "policy" in table.get(name).trouble
    async with table.open(name) as played:
        await act(played, "go right")
    assert (played.trouble, played.valid, played.game.steps) == ("", [True], 1)
    assert played.actions == ["go left", "go right"]
