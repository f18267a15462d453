"""An agent that plays at random through AgentGym's protocol: create, reset, step, close.

`python examples/elsewhere/agentgym_agent.py http://127.0.0.1:8101/agentgym/alfworld`

Clients of the agentenv package make the same calls: give them the URL as env_server_base.
"""

from __future__ import annotations

import os
import random
import sys

import httpx


class Client:
    """Sends what a client of AgentGym sends. The token is the password in the URL, because such clients only know a
    URL.
    """

    def __init__(self, base):
        self.base = base
        self.id = self.call("create", {})["id"]

    def call(self, name, body):
        return httpx.post(f"{self.base}/{name}", json=body, timeout=120).raise_for_status().json()

    def reset(self, number):
        return self.call("reset", {"id": self.id, "data_idx": number})

    def step(self, action):
        return self.call("step", {"id": self.id, "action": action})

    def close(self):
        self.call("close", {"id": self.id})


def play(client, number):
    """Play one episode of the task with this number, and return the sum of its rewards."""
    draw, seen = random.Random(number), client.reset(number)
    while not seen["done"]:
        seen = client.step(draw.choice(seen["available_actions"]))
    return seen["score"]


if __name__ == "__main__":
    token = os.environ.get("A3T_TOKEN", "a3t-development")
    client = Client(sys.argv[1].replace("://", f"://a3t:{token}@", 1))
    for number in range(5):
        print(play(client, number))  # noqa: T201
    client.close()
