"""An agent of its own kind that plays a guessing game and is recorded. Start a policy service first: `a3t up --detach`.

`python examples/own_agent/agent.py http://127.0.0.1:8102 EPISODES`; the token is that of A3T_TOKEN.
"""

from __future__ import annotations

import os
import re
import sys

import httpx
from openai import OpenAI

HEADERS = {"Authorization": f"Bearer {os.environ.get('A3T_TOKEN', 'a3t-development')}"}


def play(policy: str, secret: int, turns: int = 6) -> dict[str, object]:
    """One game: open an episode, talk to the model, tell the reward. What the service says of the closed episode."""
    with httpx.Client(base_url=f"{policy}/v1", headers=HEADERS, timeout=60) as service:
        task = {"environment": "guess-my-number", "split": "train", "task_id": f"number-{secret}"}
        episode = service.post("/episodes", json=task).raise_for_status().json()["id"]
        model = OpenAI(
            base_url=f"{policy}/v1",
            api_key=HEADERS["Authorization"].removeprefix("Bearer "),
            default_headers={"X-A3T-Episode": episode},  # this line is what has the completions recorded
        )
        won, messages = False, [{"role": "user", "content": "I think of a number from 1 to 20. Guess it."}]
        for turn in range(turns):
            reply = model.chat.completions.create(model="tgi", messages=messages, max_tokens=16, seed=secret + turn)
            text = reply.choices[0].message.content or ""
            guess = int(found[0]) if (found := re.search(r"\d+", text)) else 0
            won = guess == secret
            if won:
                break
            answer = "That is no number." if guess == 0 else "Too low." if guess < secret else "Too high."
            messages += [{"role": "assistant", "content": text}, {"role": "user", "content": answer}]
        reward = {"reward": float(won), "success": won}
        return dict(service.post(f"/episodes/{episode}/reward", json=reward).raise_for_status().json())


if __name__ == "__main__":
    for number in range(int(sys.argv[2])):
        sys.stdout.write(f"{play(sys.argv[1], secret=1 + number % 20)}\n")
