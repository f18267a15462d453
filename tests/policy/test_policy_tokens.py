"""Token-exact trajectories: re-rendering a stored episode gives the ids that were generated."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a3t_contracts.clients import PolicyClient
from a3t_contracts.react import History, Turn, encode_segments, render_trajectory
from a3t_contracts.schemas.policy import ActRequest, ActResult, ActTurn, Sampling
from a3t_contracts.schemas.trajectory import ReasonBy, Source, Step, StopReason, Trajectory, TrajectoryKind
from a3t_policy.engine.stopping import TextTail
from a3t_policy.text import TextCodec

OBSERVATIONS = [
    "Nothing happens.",
    "You arrive at cabinet 1. The cabinet 1 is closed.",
    "You open the fridge 1 – ünïcødé.",
]


async def play(client: PolicyClient, episodes: int, turns: int) -> list[tuple[list[int], Trajectory]]:
    """Episodes of a policy in an environment that answers at random, and the ids of each as they were generated."""
    rng = random.Random(0)
    histories = [History(environment="alfworld", observation=f"You are in room {n}.") for n in range(episodes)]
    results: list[list[ActResult]] = [[] for _ in histories]
    for turn in range(turns):
        asks = [
            ActTurn(history=h, sampling=Sampling(temperature=1.0, seed=n * 100 + turn, max_tokens=24))
            for n, h in enumerate(histories)
        ]
        for n, result in enumerate((await client.act(ActRequest(turns=asks))).results):
            assert isinstance(result, ActResult)
            results[n].append(result)
            histories[n].turns.append(
                Turn(
                    thought=result.thought,
                    action=result.action,
                    observation=rng.choice(OBSERVATIONS),
                    completion=result.completion,
                    completion_ids=result.completion_ids,
                )
            )
    return [_stored(h, r) for h, r in zip(histories, results, strict=True)]


def _stored(history: History, results: list[ActResult]) -> tuple[list[int], Trajectory]:
    observations = [history.observation, *(turn.observation for turn in history.turns)]
    steps = [
        Step(
            index=n,
            observation=observations[n],
            thought=r.thought,
            action=r.action,
            source=Source.policy,
            reason_by=ReasonBy.policy,
            valid=False,
            policy_version=r.model,
            completion=r.completion,
            completion_ids=r.completion_ids,
            logprobs=r.logprobs,
            prompt_tokens=r.prompt_tokens,
        )
        for n, r in enumerate(results)
    ]
    trajectory = Trajectory(
        id="0" * 24,
        run="t",
        round=0,
        environment="alfworld",
        split="train",
        task_id="t",
        kind=TrajectoryKind.policy,
        steps=steps,
        final_observation=observations[-1],
        success=False,
        stop_reason=StopReason.max_steps,
        created_at=datetime.now(UTC),
    )
    return [i for r in results for i in r.completion_ids or []], Trajectory.model_validate_json(
        trajectory.model_dump_json()
    )


def check(tiny_model: Path, played: list[tuple[list[int], Trajectory]]) -> None:
    codec = TextCodec.load(str(tiny_model))
    for generated, trajectory in played:
        episode = encode_segments(codec, render_trajectory(trajectory))
        assert [i for i, kind in zip(episode.ids, episode.kinds, strict=True) if kind == "completion"] == generated
        for step in trajectory.steps:  # and the prompt of each turn was exactly what stands before it
            start = episode.segment_of.index(1 + 2 * step.index) if step.completion_ids else None
            assert start is None or start == step.prompt_tokens
            assert codec.decode(step.completion_ids or []) == step.completion


async def test_rendering_again_gives_the_generated_ids(policy: str, token: str, tiny_model: Path) -> None:
    async with PolicyClient(policy, token, timeout=120) as client:
        check(tiny_model, await play(client, episodes=50, turns=3))


@pytest.mark.slow
async def test_rendering_again_gives_the_generated_ids_1000(policy: str, token: str, tiny_model: Path) -> None:
    async with PolicyClient(policy, token, timeout=600) as client:
        check(tiny_model, await play(client, episodes=1000, turns=5))


@pytest.fixture(scope="module")
def codec(tiny_model: Path) -> TextCodec:
    return TextCodec.load(str(tiny_model))


@given(ids=st.lists(st.integers(3, 390), max_size=60), stops=st.lists(st.text(min_size=1, max_size=4), max_size=3))
def test_streamed_text_is_the_text(codec: TextCodec, ids: list[int], stops: list[str]) -> None:
    """What is handed out while tokens come is the beginning of the final text, which has no stop string in it."""
    tail = TextTail(codec, tuple(stops), act=False)
    out = ""
    for token in ids:
        tail.push(token)
        out += tail.certain()
        if tail.stopped_by is not None:
            break
    tail.finish(codec.decode(ids))
    assert tail.text.startswith(out)
    if tail.stopped_by is None:
        assert tail.text == codec.decode(ids)
    else:
        assert all(stop not in tail.text for stop in stops)
