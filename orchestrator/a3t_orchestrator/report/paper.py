"""What the A³T paper (arXiv 2403.14589) reports, in percent, to stand beside ours. One trial a task."""

from __future__ import annotations

from pydantic import BaseModel

__all__ = ["PaperFigures", "paper_figures"]


class PaperFigures(BaseModel):
    """Success by round on the paper's test set, and accumulated over the rounds; the training set's size."""

    test_set: str
    single: list[float]
    accumulated: list[float]
    reward: list[float] | None = None
    training_set: list[tuple[int, int]]
    """(sequences, of which failed) of the accumulated set, by round."""
    others: dict[str, float]


_ALFWORLD = PaperFigures(
    test_set="134 unseen games, Mistral-7B",
    single=[86, 94, 96, 95],
    accumulated=[86, 97, 99, 100],
    training_set=[(2130, 0), (2669, 99), (4066, 177), (4995, 219)],
    others={
        "BUTLER (best of 8)": 37,
        "ReAct, gpt-3.5-turbo-instruct (best of 6)": 83,
        "AgentLM-70B": 86,
        "LM-BUTLER (3,553 demonstrations)": 96,
    },
)
_WEBSHOP = PaperFigures(
    test_set="500 test instructions, Mistral-7B",
    single=[45.4, 49.0, 48.0, 49.0],
    accumulated=[45.4, 51.6, 53.4, 54.8],
    reward=[72.4, 73.1, 73.0, 73.9],
    training_set=[(981, 0), (3431, 336), (5719, 694), (8550, 1122)],
    others={"ReAct": 40.0, "WebGUM": 45.0, "LATS (30 trials)": 38.0, "human average": 50.0, "human expert": 59.6},
)


def paper_figures(environment: str) -> PaperFigures:
    """The paper's figures for an environment."""
    return _WEBSHOP if environment == "webshop" else _ALFWORLD
