"""An example of your own agent: it guesses a number in a game that A³T does not know, and the policy service records
it.

    python agent.py http://127.0.0.1:8102 60        # 60 episodes, one of each task in turn; without a number it never
    stops

It calls the live model with the openai client, as it would call any other server. The token comes from A3T_TOKEN.
"""

from __future__ import annotations

import itertools
import os
import re
import sys

import httpx
from openai import OpenAI

TOKEN = os.environ.get("A3T_TOKEN", "a3t-development")


def play(policy: str, secret: int, seed: int, turns: int = 4) -> dict[str, object]:
    """Play one game: open an episode, call the model, send the reward. Returns the service's description of the
    closed episode.
    """
    with httpx.Client(base_url=f"{policy}/v1", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60) as service:
        task = {"environment": "guess-my-number", "split": "train", "task_id": f"number-{secret}"}
        episode = service.post("/episodes", json=task).raise_for_status().json()["id"]
        recorded = {"X-A3T-Episode": episode}  # this header makes the service record the completions
        model = OpenAI(base_url=f"{policy}/v1", api_key=TOKEN, default_headers=recorded)
        won, messages = False, [{"role": "user", "content": "I think of a number from 1 to 9. Guess it."}]
        for turn in range(turns):
            reply = model.chat.completions.create(
                model="tgi", messages=messages, max_tokens=16, stop="\n", seed=4 * seed + turn
            )
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
    for number in itertools.islice(itertools.count(), int(sys.argv[2]) if len(sys.argv) > 2 else None):
        played = play(sys.argv[1], secret=1 + number % 9, seed=number)
        sys.stdout.write(f"{played['task_id']} {'won' if played['success'] else 'lost'} {played['versions']}\n")
        sys.stdout.flush()
