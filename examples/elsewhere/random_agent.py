"""An agent that plays at random through Gymnasium: `python examples/elsewhere/random_agent.py a3t/ALFWorld-v0`."""

from __future__ import annotations

import random
import sys

import gymnasium

import a3t_env.gym

gymnasium.register_envs(a3t_env.gym)  # the ids a3t/…-v0


def play(env, seed):
    """Play one episode of a task drawn by the seed, and return its task and its reward."""
    draw = random.Random(seed)
    _, info = env.reset(seed=seed)
    total, over = 0.0, False
    while not over:
        _, reward, terminated, truncated, info = env.step(draw.choice(info["actions"]))
        total, over = total + reward, terminated or truncated
    return info["task_id"], total


if __name__ == "__main__":
    with gymnasium.make(sys.argv[1], include_actions=True) as env:
        for seed in range(5):
            print(*play(env, seed))  # noqa: T201
