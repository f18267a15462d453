"""Guess a number: a complete example of your own environment."""

from random import Random

LAST = 9


class GuessingGame:
    """Finds a number from 1 to 9 in four guesses."""

    about = """
        The agent guesses a number from 1 to 9 and is told whether its guess is too low or too high. It has four
        guesses. An action is a number and nothing else, for example: 5
    """
    success = "the number is guessed"
    max_steps = 4
    splits = {"train": 200, "test": 50}

    def reset(self, task, seed):
        self.number = Random(task.seed).randint(1, LAST)
        self.lowest, self.highest = 1, LAST
        return f"Guess my number from 1 to {LAST}."

    def step(self, action):
        if action not in self.actions():
            return {"observation": f"That is no number from 1 to {LAST}.", "reward": 0, "done": False, "valid": False}
        guess = int(action)
        if guess == self.number:
            return "Yes.", 1, True
        if guess < self.number:
            self.lowest = max(self.lowest, guess + 1)
            return f"{guess} is too low.", 0, False
        self.highest = min(self.highest, guess - 1)
        return f"{guess} is too high.", 0, False

    # From here on everything is optional.

    def actions(self):
        return [str(number) for number in range(1, LAST + 1)]

    def expert(self):
        return str((self.lowest + self.highest) // 2)
