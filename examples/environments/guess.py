"""A guessing game behind HTTP: `python examples/environments/guess.py` serves it on port 8200."""

from __future__ import annotations

import random

from a3t_env import serve


class Guess:
    """The task is a number from 1 to 20; every guess is answered with `higher` or `lower`."""

    splits = {"train": 200, "test": 50}
    max_steps = 8
    about = "The agent guesses a number from 1 to 20 in at most eight guesses. Its actions are: guess NUMBER."
    example = (
        "Observation: Guess a number from 1 to 20.\nThought: The middle tells most.\nAction: guess 10\n"
        "Observation: higher\nThought: It is from 11 to 20; the middle is 15.\nAction: guess 15\n"
        "Observation: correct\n"
    )

    def reset(self, task, seed):
        """Return the first observation. `task.seed` is a number that belongs to this task."""
        self.number = random.Random(task.seed).randint(1, 20)
        self.low, self.high = 1, 20
        return "Guess a number from 1 to 20."

    def step(self, action):
        """Return observation, reward, done, success, valid."""
        word, _, number = action.partition(" ")
        if word != "guess" or not number.isdecimal():
            return "Say: guess NUMBER.", 0.0, False, False, False
        guess = int(number)
        if guess == self.number:
            return "correct", 1.0, True, True, True
        if guess < self.number:
            self.low = max(self.low, guess + 1)
            return "higher", 0.0, False, False, True
        self.high = min(self.high, guess - 1)
        return "lower", 0.0, False, False, True

    def actions(self):
        """Optional: the admissible actions."""
        return [f"guess {number}" for number in range(1, 21)]

    def expert(self):
        """Optional: the action of a good player, who knows only what was seen so far."""
        return f"guess {(self.low + self.high) // 2}"


if __name__ == "__main__":
    serve(Guess, port=8200)
