"""An agent that plays at random through OpenEnv's client.

`python examples/elsewhere/openenv_agent.py http://127.0.0.1:8101/openenv/alfworld`
"""

from __future__ import annotations

import os
import random
import sys

from openenv import GenericEnvClient


def play(url, headers, seed):
    """Play one episode of a task drawn by the seed, and return its reward."""
    draw = random.Random(seed)
    with GenericEnvClient(url, headers=headers).sync() as env:
        result, total = env.reset(seed=seed), 0.0
        while not result.done:
            result = env.step({"action": draw.choice(result.observation["actions"])})
            total += result.reward
    return total


if __name__ == "__main__":
    token = {"Authorization": f"Bearer {os.environ.get('A3T_TOKEN', 'a3t-development')}"}
    for seed in range(5):
        print(play(sys.argv[1], token, seed))  # noqa: T201
