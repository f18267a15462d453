"""A Gymnasium environment behind HTTP: `python examples/environments/frozen_lake.py` serves it on port 8202."""

from __future__ import annotations

import gymnasium

from a3t_env import serve
from a3t_env.gym import from_gymnasium

frozen_lake = from_gymnasium(
    lambda: gymnasium.make("FrozenLake-v1", is_slippery=False),
    splits={"train": 40, "test": 10},
    actions=["left", "down", "right", "up"],
    tell=lambda place: f"You are in row {place // 4}, column {place % 4}. The goal is in row 3, column 3.",
    max_steps=20,
    about="The agent walks over a frozen lake of four by four fields. Its actions are: left, down, right, up.",
)

if __name__ == "__main__":
    serve(frozen_lake, port=8202)
