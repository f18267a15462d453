"""Recorded episodes: an agent that talks to the service with the openai client, its exact tokens, its reward."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import openai
import pytest

from a3t_contracts.clients import PolicyClient
from a3t_contracts.errors import ConflictError, NotFoundError, OverloadedError, TooLargeError, UnavailableError
from a3t_contracts.schemas.recording import EPISODE_HEADER, EpisodeCreate, EpisodeReward
from a3t_policy.app import create_app
from a3t_policy.episodes.limits import EpisodeLimits
from a3t_policy.episodes.store import EpisodeStore
from a3t_policy.generation import Generated
from tests.support.live_server import live_server

from .conftest import policy_settings
from .policy_support import greedy

TASK = EpisodeCreate(environment="my-game", task_id="number-7", metadata={"agent": "mine"})
WON = EpisodeReward(reward=1.0, success=True)


@pytest.fixture
async def client(policy: str, token: str) -> AsyncIterator[PolicyClient]:
    async with PolicyClient(policy, token) as client:
        yield client


def agent_of(policy: str, token: str, episode: str) -> openai.OpenAI:
    """A client all of whose completions belong to the episode."""
    return openai.OpenAI(
        base_url=f"{policy}/v1", api_key=token, max_retries=0, default_headers={EPISODE_HEADER: episode}
    )


async def test_completions_are_recorded_with_the_tokens_that_were_computed(
    client: PolicyClient, policy: str, token: str, tiny_model: Path
) -> None:
    episode = await client.open_episode(TASK)
    agent = agent_of(policy, token, episode.id)
    ask = {"model": str(tiny_model), "max_tokens": 6, "temperature": 0}
    text = "Observation: a room\n"
    for _ in range(2):
        done = await asyncio.to_thread(agent.completions.create, prompt=text, **ask)
        text += done.choices[0].text + "\nObservation: another room\n"
    recorded = await client.episode(episode.id)
    assert [call.index for call in recorded.recorded] == [0, 1]
    for call in recorded.recorded:
        ids, logprobs = await asyncio.to_thread(greedy, tiny_model, call.prompt_ids, 6)
        assert call.completion_ids == ids
        assert call.logprobs == pytest.approx(logprobs, abs=1e-4)
        assert call.model == str(tiny_model)
    first, second = recorded.recorded
    assert first.continues == 0
    assert first.observation == "Observation: a room\n"
    assert second.continues > len(first.prompt_ids)
    assert second.observation.endswith("\nObservation: another room\n")


async def test_a_chat_with_streams_is_recorded_and_rewarded(client: PolicyClient, policy: str, token: str) -> None:
    episode = await client.open_episode(TASK)
    agent = agent_of(policy, token, episode.id)
    messages: list[dict[str, str]] = [{"role": "user", "content": "Guess a number."}]
    said = []
    for stream in (False, True):
        ask = {"model": "tgi", "messages": messages, "max_tokens": 5, "temperature": 0, "seed": 1}
        reply = await asyncio.to_thread(_say, agent, ask, stream)
        said.append(reply)
        messages += [{"role": "assistant", "content": reply}, {"role": "user", "content": "Too low."}]
    closed = await client.reward_episode(episode.id, WON)
    assert (closed.state, closed.calls, closed.reward, closed.success) == ("closed", 2, 1.0, True)
    assert await client.reward_episode(episode.id, WON) == closed
    recorded = await client.episode(episode.id)
    assert [call.completion for call in recorded.recorded] == said
    assert all(call.completion_ids and call.logprobs for call in recorded.recorded)
    assert "Too low." in recorded.recorded[1].observation
    assert recorded.metadata == {"agent": "mine"}


def _say(agent: openai.OpenAI, ask: dict[str, object], stream: bool) -> str:
    if not stream:
        return agent.chat.completions.create(**ask).choices[0].message.content or ""
    return "".join(chunk.choices[0].delta.content or "" for chunk in agent.chat.completions.create(**ask, stream=True))


async def test_what_cannot_be_recorded_is_refused(client: PolicyClient, policy: str, token: str) -> None:
    stranger = agent_of(policy, token, "ep-none")
    with pytest.raises(openai.NotFoundError, match="no recorded episode"):
        await asyncio.to_thread(stranger.chat.completions.create, model="tgi", messages=[_user("x")])
    episode = await client.open_episode(TASK)
    agent = agent_of(policy, token, episode.id)
    with pytest.raises(openai.UnprocessableEntityError, match="must have one completion, but this one has 2"):
        await asyncio.to_thread(agent.chat.completions.create, model="tgi", messages=[_user("x")], n=2)
    await client.reward_episode(episode.id, EpisodeReward(reward=0.25, success=False))
    with pytest.raises(openai.ConflictError, match="is closed"):
        await asyncio.to_thread(agent.chat.completions.create, model="tgi", messages=[_user("x")])
    with pytest.raises(ConflictError, match=r"closed with reward 0\.25"):
        await client.reward_episode(episode.id, WON)
    with pytest.raises(ConflictError, match="is closed"):
        await client.drop_episode(episode.id)
    with pytest.raises(NotFoundError):
        await client.reward_episode("ep-none", WON)
    reply = httpx.post(
        f"{policy}/v1/episodes/{episode.id}/reward",
        json={"reward": 1.5, "success": True},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert reply.status_code == 422


def _user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


async def test_without_the_header_nothing_is_recorded(client: PolicyClient, policy: str, token: str) -> None:
    episode = await client.open_episode(TASK)
    plain = openai.OpenAI(base_url=f"{policy}/v1", api_key=token)
    await asyncio.to_thread(plain.chat.completions.create, model="tgi", messages=[_user("x")], max_tokens=1)
    assert (await client.episode(episode.id)).recorded == []
    await client.drop_episode(episode.id)
    await client.drop_episode(episode.id)
    with pytest.raises(NotFoundError):
        await client.episode(episode.id)


async def test_closed_episodes_are_listed_behind_a_number(client: PolicyClient) -> None:
    start = (await client.closed_episodes()).next_after or 0
    opened = [await client.open_episode(TASK.model_copy(update={"split": split})) for split in ("a", "b", "a")]
    for episode in reversed(opened):
        await client.reward_episode(episode.id, WON)
    page = await client.closed_episodes(after=start, limit=2)
    assert [e.id for e in page.episodes] == [opened[2].id, opened[1].id]
    rest = await client.closed_episodes(after=page.next_after or 0)
    assert [e.id for e in rest.episodes] == [opened[0].id]
    assert (await client.closed_episodes(after=rest.next_after or 0)).episodes == []
    only = await client.closed_episodes(after=start, split="a", environment="my-game")
    assert [e.id for e in only.episodes] == [opened[2].id, opened[0].id]
    assert (await client.closed_episodes(after=start, environment="other")).episodes == []


async def test_episodes_survive_a_restart(tiny_model: Path, token: str, tmp_path: Path) -> None:
    settings = policy_settings(tiny_model, tmp_path)
    with live_server(create_app(settings)) as url:
        before = PolicyClient(url, token)
        done, going = await before.open_episode(TASK), await before.open_episode(TASK)
        for episode in (done, going):
            agent = agent_of(url, token, episode.id)
            await asyncio.to_thread(agent.completions.create, model=str(tiny_model), prompt="x", max_tokens=3)
        await before.reward_episode(done.id, WON)
        kept = await before.episode(done.id)
    (tmp_path / "policy").joinpath(f"episodes-{settings.port}", f"{going.id}.jsonl").open("ab").write(b'{"call": {"ha')
    with live_server(create_app(settings)) as url:
        after = PolicyClient(url, token)
        assert await after.episode(done.id) == kept
        assert [e.id for e in (await after.closed_episodes()).episodes] == [done.id]
        agent = agent_of(url, token, going.id)
        await asyncio.to_thread(agent.completions.create, model=str(tiny_model), prompt="x", max_tokens=3)
        closed = await after.reward_episode(going.id, WON)
        assert (closed.number, closed.calls) == (2, 2)


async def test_prompts_come_back_whole_from_their_differences(tmp_path: Path) -> None:
    store = EpisodeStore(tmp_path)
    episode = await store.create(TASK)
    prompts = [[1, 2, 3], [1, 2, 3, 9, 9, 4], [1, 5], [1, 5, 9, 9]]
    for prompt in prompts:
        await store.record(episode.id, prompt, generated([9, 9]), str)
    for reader in (store, await loaded(tmp_path)):
        calls = (await reader.get(episode.id)).recorded
        assert [call.prompt_ids for call in calls] == prompts
        assert [call.continues for call in calls] == [0, 5, 1, 4]


async def test_everything_is_bounded(tmp_path: Path) -> None:
    store = EpisodeStore(tmp_path, EpisodeLimits(open=2, kept=2, bytes=600, idle_seconds=3600))
    first, second = await store.create(TASK), await store.create(TASK)
    with pytest.raises(OverloadedError, match="2 episodes are open"):
        await store.create(TASK)
    store.writable(first.id)
    await store.record(first.id, list(range(100)), generated([7]), str)
    with pytest.raises(TooLargeError, match="has reached its limit of 600 bytes"):
        store.writable(first.id)
    closed = [await store.close(e.id, WON) for e in (first, second)]
    third = await store.close((await store.create(TASK)).id, WON)
    assert [info.number for info in (*closed, third)] == [1, 2, 3]
    for reader in (store, await loaded(tmp_path)):
        assert [info.number for info in reader.listed("closed")] == [2, 3]
        with pytest.raises(NotFoundError):
            await reader.get(first.id)
    assert len(list(tmp_path.glob("ep-*"))) == 2


async def test_idle_episodes_make_room(tmp_path: Path) -> None:
    store = EpisodeStore(tmp_path, EpisodeLimits(open=1, idle_seconds=0))
    idle = await store.create(TASK)
    fresh = await store.create(TASK)
    assert [info.id for info in store.listed("open")] == [fresh.id]
    with pytest.raises(NotFoundError):
        await store.record(idle.id, [1], generated([2]), str)


async def test_an_episode_that_was_half_opened_never_was(tmp_path: Path) -> None:
    (tmp_path / "ep-0.jsonl").write_bytes(b'{"opened": {"envi')
    (tmp_path / "ep-1.jsonl").write_bytes(b'{"opened": {}}\n')
    store = await loaded(tmp_path)
    assert list(store.listed("open")) == []
    assert [path.name for path in tmp_path.glob("ep-*")] == ["ep-1.jsonl"]


async def test_damaged_files_cost_what_is_in_them_alone(tmp_path: Path) -> None:
    store = EpisodeStore(tmp_path)
    episodes = [await store.create(TASK) for _ in range(3)]
    for episode in episodes:
        await store.close(episode.id, WON)
    with (tmp_path / f"{episodes[0].id}.jsonl").open("ab") as file:
        file.write(b"{}}\n")
    with pytest.raises(UnavailableError, match=r"Line 2 of .* is damaged"):
        await store.get(episodes[0].id)
    lines = (tmp_path / "closed.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "closed.jsonl").write_bytes(lines[0] + b"?\n" + lines[2])
    later = await loaded(tmp_path)
    assert [info.id for info in later.listed("closed")] == [episodes[2].id]
    assert [info.id for info in later.listed("open")] == [episodes[1].id]
    assert (await later.close(episodes[1].id, WON)).number == 4


async def test_a_disk_that_refuses_is_said_and_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = EpisodeStore(tmp_path / "file" / "episodes")
    with pytest.raises(UnavailableError, match=r"cannot be (read|written): Not a directory"):
        await store.create(TASK)
    assert list(store.listed("open")) == []


async def loaded(folder: Path) -> EpisodeStore:
    """A store of a later process."""
    store = EpisodeStore(folder)
    await store.load()
    return store


def generated(ids: list[int]) -> Generated:
    """A finished completion."""
    return Generated("x", "stop", "base", 1, len(ids), ids, [-0.5] * len(ids))


async def test_the_example_agent_is_recorded(client: PolicyClient, policy: str) -> None:
    start = (await client.closed_episodes()).next_after or 0
    script = Path(__file__).parents[2] / "examples" / "own_agent" / "agent.py"
    played = await asyncio.to_thread(
        subprocess.run, [sys.executable, script, policy, "2"], capture_output=True, text=True, check=False
    )
    assert played.returncode == 0, played.stderr
    assert len(played.stdout.splitlines()) == 2
    closed = (await client.closed_episodes(after=start, environment="guess-my-number")).episodes
    assert [e.task_id for e in closed] == ["number-1", "number-2"]
    for info in closed:
        recorded = (await client.episode(info.id)).recorded
        assert len(recorded) == info.calls > 0
        assert all(call.completion_ids and call.logprobs for call in recorded)
