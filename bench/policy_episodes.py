"""Real multi-turn episodes for the policy's benchmark: generated ALFWorld games, played on the native engine.

The model of the benchmark plays greedily and writes thoughts and actions; the environment answers. What a server would
see is kept: the exact token ids of every turn's prompt, and the number of tokens that were generated.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from a3t_contracts.react import History, Turn, parse_reply
from a3t_contracts.schemas.policy import Sampling
from a3t_env.alfworld.environment import AlfworldEnvironment
from a3t_env.alfworld.generator import TRAIN_SPLIT, add_generated
from a3t_env.protocol import Episode as Running
from a3t_policy.backends.local import LocalBackend
from a3t_policy.generation import Generation
from a3t_policy.settings import PolicySettings
from a3t_policy.turn import cut_turn

__all__ = ["Ask", "Episode", "record", "shape"]


@dataclass(frozen=True, slots=True)
class Ask:
    """One turn: the prompt, and the completion that the model wrote to it."""

    prompt: list[int]
    completion: list[int]


@dataclass(slots=True)
class Episode:
    """The turns of one game."""

    asks: list[Ask] = field(default_factory=list)
    won: bool = False


def record(model: str, threads: int, count: int, turns: int, tokens: int) -> list[Episode]:
    """`count` episodes of at most `turns` turns with at most `tokens` written tokens each."""
    with tempfile.TemporaryDirectory(prefix="a3t-bench-") as folder:
        return asyncio.run(_record(Path(folder), model, threads, count, turns, tokens))


def shape(episodes: Sequence[Episode]) -> dict[str, float]:
    """How long they are: means over episodes and turns."""
    asks = [ask for episode in episodes for ask in episode.asks]
    return {
        "episodes": len(episodes),
        "won": sum(episode.won for episode in episodes),
        "turns per episode": len(asks) / len(episodes),
        "prompt tokens per turn": sum(len(ask.prompt) for ask in asks) / len(asks),
        "longest prompt": max(len(ask.prompt) for ask in asks),
        "written tokens per turn": sum(len(ask.completion) for ask in asks) / len(asks),
    }


async def _record(home: Path, model: str, threads: int, count: int, turns: int, tokens: int) -> list[Episode]:
    settings = PolicySettings(home=home, policy_base_model=model, policy_threads=threads, policy_max_context=4096)
    backend = LocalBackend(settings)
    await backend.start()
    try:
        plays = (_play(backend, game, turns, Sampling(max_tokens=tokens)) for game in _games(home, count))
        return list(await asyncio.gather(*plays))
    finally:
        await backend.close()


def _games(home: Path, count: int) -> Iterator[Running]:
    folder = home / "data" / "alfworld"
    add_generated(folder, TRAIN_SPLIT, count)
    environment = AlfworldEnvironment(folder)
    return (environment.episode(task.id) for task in environment.tasks(TRAIN_SPLIT))


async def _play(backend: LocalBackend, game: Running, turns: int, sampling: Sampling) -> Episode:
    history = History(environment="alfworld", observation=game.start().observation)
    episode = Episode()
    while len(episode.asks) < turns and not episode.won:
        ids, text = backend.codec.history(history)
        done = cut_turn(await backend.generate(Generation(ids, text, sampling, act=True)), backend.codec)
        if not done.ids:
            break
        episode.asks.append(Ask(list(ids), list(done.ids)))
        reply = parse_reply(done.text)
        outcome = game.step(reply.action)
        episode.won = outcome.success
        history.turns.append(
            Turn(
                thought=reply.thought,
                action=reply.action,
                observation=outcome.observation,
                completion=done.text,
                completion_ids=done.ids,
            )
        )
    game.close()
    return episode
