"""Trajectories become the ids that were generated, with the right weight on every token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.react import completion_text, render_trajectory
from a3t_contracts.schemas import Objective, PromptStyle
from a3t_contracts.schemas.trajectory import Trajectory
from a3t_trainer.encoding.parts import PartSplitter
from a3t_trainer.encoding.sequences import Part, TokenSequence, encode_all, encode_trajectory
from tests.trainer.conftest import make_trajectory


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model)


def encode(
    tokenizer: Any, trajectory: Trajectory, limit: int = 4096, reward: float = 1.0, **objective: Any
) -> TokenSequence:
    return encode_trajectory(PartSplitter(tokenizer), trajectory, reward, Objective(**objective), limit)


def with_ids(tokenizer: Any, trajectory: Trajectory) -> Trajectory:
    """As the policy would have stored it: completions and the ids of a segmentation of its own (byte by byte)."""
    steps = []
    for step in trajectory.steps:
        text = completion_text(step.thought, step.action)
        ids = [i for c in text for i in tokenizer.encode(c, add_special_tokens=False)]
        steps.append(step.model_copy(update={"completion": text, "completion_ids": ids}))
    return trajectory.model_copy(update={"steps": steps})


def test_the_text_of_every_part_is_the_rendered_one(tokenizer: Any) -> None:
    trajectory = make_trajectory(steps=2, preamble="An example.\n\n")
    sequence = encode(tokenizer, trajectory)
    assert tokenizer.decode(sequence.ids) == "".join(s.text for s in render_trajectory(trajectory))
    texts = {part: tokenizer.decode(sequence.ids[sequence.parts == part]) for part in Part}
    assert texts[Part.context] == "An example.\n\n"
    assert texts[Part.thought].count("Thought: I look for a mug") == 2
    assert texts[Part.action] == "Action: go to cabinet 1\nAction: go to cabinet 2\n"
    assert texts[Part.observation].count("Observation: ") == 3


def test_generated_ids_are_trained_as_they_are(tokenizer: Any) -> None:
    trajectory = with_ids(tokenizer, make_trajectory(steps=2))
    sequence = encode(tokenizer, trajectory)
    completion = [i for s in trajectory.steps for i in s.completion_ids or []]
    assert sequence.ids[sequence.parts >= Part.thought].tolist() == completion
    assert tokenizer.decode(sequence.ids[sequence.parts == Part.action]) == (
        "Action: go to cabinet 1\nAction: go to cabinet 2\n"
    )


def test_ids_of_another_tokenizer_are_refused_with_the_step(tokenizer: Any) -> None:
    trajectory = with_ids(tokenizer, make_trajectory(steps=2))
    steps = list(trajectory.steps)
    for wrong in ([5, 6, 7], [10**6], [-1]):
        steps[1] = steps[1].model_copy(update={"completion_ids": wrong})
        broken = trajectory.model_copy(update={"steps": steps})
        with pytest.raises(InvalidInputError, match=f"Step 1 of trajectory {trajectory.id}.*tokenizer"):
            encode(tokenizer, broken)


def test_a_turn_with_a_nul_character_is_trained_as_it_was_generated(tokenizer: Any) -> None:
    trajectory = with_ids(tokenizer, make_trajectory(steps=2))
    text = "Thought: a\0b\nAction: go\n"
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert "\0" in tokenizer.decode(ids)
    generated = {"completion": text, "completion_ids": ids}
    steps = [trajectory.steps[0], trajectory.steps[1].model_copy(update=generated)]
    sequence = encode(tokenizer, trajectory.model_copy(update={"steps": steps}))
    assert sequence.ids[sequence.parts >= Part.thought].tolist()[-len(ids) :] == ids


@pytest.mark.parametrize("part", ["observation", "thought", "action"])
def test_each_part_can_be_switched_off_and_weighted(tokenizer: Any, part: str) -> None:
    off = encode(tokenizer, make_trajectory(), **{f"{part}_weight": 0})
    half = encode(tokenizer, make_trajectory(), **{f"{part}_weight": 0.5})
    mine = off.parts == Part[part]
    mine[0] = False
    assert mine.any()
    assert not off.weights[mine].any()
    assert (half.weights[mine] == 0.5).all()
    others = ~mine
    others[0] = False
    assert (half.weights[others] == 1).all()


def test_a_failures_observations_can_be_left_alone(tokenizer: Any) -> None:
    failure = encode(tokenizer, make_trajectory(success=False), failure_observations=False)
    success = encode(tokenizer, make_trajectory(), failure_observations=False)
    assert not failure.weights[failure.parts == Part.observation].any()
    assert success.weights[success.parts == Part.observation][1:].all()
    assert failure.weights[failure.parts >= Part.thought].all()


def action_weights(sequence: TokenSequence, tokenizer: Any) -> list[float]:
    """The one weight of all tokens of each action line."""
    runs: list[tuple[list[int], set[float]]] = []
    for token, part, weight in zip(sequence.ids, sequence.parts, sequence.weights, strict=True):
        if part == Part.action:
            if not runs or tokenizer.decode(runs[-1][0]).endswith("\n"):
                runs.append(([], set()))
            runs[-1][0].append(int(token))
            runs[-1][1].add(float(weight))
    return [weight for _, (weight,) in runs]


def test_what_a_success_did_in_vain_can_be_left_out(tokenizer: Any) -> None:
    trajectory, failed = make_trajectory(), make_trajectory(success=False)
    for made in (trajectory, failed):
        made.steps[1].valid = False
    assert action_weights(encode(tokenizer, trajectory, invalid_weight=0.25), tokenizer) == [1, 0.25, 1]
    failure = encode(tokenizer, failed, invalid_weight=0.25)
    assert action_weights(failure, tokenizer) == [1, 1, 1], "a failure is pushed down as it is"
    assert action_weights(encode(tokenizer, trajectory), tokenizer) == [1, 1, 1]


@pytest.mark.parametrize(
    ("success", "reward", "name", "weight"),
    [
        (True, 1.0, "contrastive", 0),
        (True, 1.0, "sft", 0),
        (True, 0.5, "raw_reward", 0),
        (True, 1.0, "dpo", 0),
        (False, -1.0, "contrastive", 1),
        (False, 0.5, "contrastive", 0),
        (False, 0.25, "raw_reward", 0),
        (False, 1.0, "label_prefix", 0),
        (False, 1.0, "dpo", 1),
    ],
)
def test_a_turn_with_a_made_up_observation_is_never_imitated(
    tokenizer: Any, success: bool, reward: float, name: str, weight: float
) -> None:
    """Nothing that raises its probability reaches it; what lowers it does."""
    cut, stored = make_trajectory(success=success), make_trajectory(success=success)
    cut.steps[1].made_up_observation = True
    stored.steps[1].completion = "Thought: I look. Observation: Nothing happens.\nAction: go to cabinet 2\n"
    for trajectory in (cut, stored):
        sequence = encode(tokenizer, trajectory, reward=reward, name=name)
        assert action_weights(sequence, tokenizer) == [1, weight, 1]
        thoughts = sequence.weights[sequence.parts == Part.thought]
        assert (thoughts == 1).all() == (weight == 1)
        assert sequence.weights[sequence.parts == Part.observation][1:].all(), "the environment's words stay"


def test_an_episode_of_made_up_observations_alone_is_left_out(tokenizer: Any) -> None:
    trajectory, other = make_trajectory(), make_trajectory(sample=1)
    for step in trajectory.steps:
        step.made_up_observation = True
    made = encode_all(tokenizer, [(trajectory, 1.0), (other, 1.0)], Objective(observation_weight=0), 4096)
    assert [sequence.id for sequence in made] == [other.id]


def test_turns_of_a_success_that_only_repeat_can_be_left_out(tokenizer: Any) -> None:
    trajectory = walk("A B A B A use use use", ["a", "b", "a", "b", "a", "on", "on", "on"])
    weights = action_weights(encode(tokenizer, trajectory, repeat_weight=0.5), tokenizer)
    assert weights == [1, 1, 0.5, 0.5, 1, 1, 0.5, 1], "the way back to the lamp, and the last turn, are no repetition"
    assert action_weights(encode(tokenizer, trajectory), tokenizer) == [1] * 8
    trajectory.success = False
    assert action_weights(encode(tokenizer, trajectory, repeat_weight=0), tokenizer) == [1] * 8


def test_turns_of_a_success_without_a_purpose_can_be_left_out(tokenizer: Any) -> None:
    trajectory = walk("A B A use", ["a", "b", "a", "on"])
    for turn, thought in enumerate(["I look for it.", "I try something else: I go to B.", "I go back.", "I try this."]):
        trajectory.steps[turn].thought = thought
    skipping = encode(tokenizer, trajectory, skip_thoughts=["I try ", "I go"])
    assert action_weights(skipping, tokenizer) == [1, 0, 0, 1], "the last turn brought the success"
    assert action_weights(encode(tokenizer, trajectory), tokenizer) == [1] * 4
    trajectory.success = False
    assert action_weights(encode(tokenizer, trajectory, skip_thoughts=["I"]), tokenizer) == [1] * 4


def test_what_actre_said_of_a_purpose_counts_and_else_how_the_thought_begins(tokenizer: Any) -> None:
    trajectory = walk("A B C D use", ["a", "b", "c", "d", "on"])
    said = [("I try something else: I go to A.", None), ("I try something else.", True), ("I look for it.", False)]
    for step, (thought, purpose) in zip(trajectory.steps, [*said, ("I look for it.", None), said[0]], strict=True):
        step.thought, step.purpose = thought, purpose
    weights = action_weights(encode(tokenizer, trajectory, purposeless_weight=0.5), tokenizer)
    assert weights == [0.5, 1, 0.5, 1, 1], "nobody said anything of the first; the last turn brought the success"
    trajectory.steps[2].valid = False
    both = encode(tokenizer, trajectory, purposeless_weight=0.5, invalid_weight=0.5)
    assert action_weights(both, tokenizer) == [0.5, 1, 0.25, 1, 1]
    assert action_weights(encode(tokenizer, trajectory), tokenizer) == [1] * 5
    trajectory.success = False
    assert action_weights(encode(tokenizer, trajectory, purposeless_weight=0), tokenizer) == [1] * 5


def test_the_same_action_with_another_outcome_is_no_repetition(tokenizer: Any) -> None:
    trajectory = walk("A take B A put A", ["a full", "taken", "b", "a empty", "put", "a full"])
    assert action_weights(encode(tokenizer, trajectory, repeat_weight=0), tokenizer) == [1] * 6


def test_repeating_in_place_is_repetition_even_before_something_new(tokenizer: Any) -> None:
    trajectory = walk("use use use take end", ["on", "on", "on", "taken", "done"])
    assert action_weights(encode(tokenizer, trajectory, repeat_weight=0), tokenizer) == [1, 0, 0, 1, 1]


CLOSED, OPEN = "You arrive at box 1. The box 1 is closed.", "The box 1 is open. In it, you see a mug 1."


@pytest.mark.parametrize(
    ("then", "outcome", "weight"),
    [
        ("go to bed 1", "You arrive at bed 1. On the bed 1, you see nothing.", 0),
        ("take mug 1", "You pick up the mug 1.", 1),
    ],
)
def test_a_place_that_says_nothing_new_is_a_repetition_unless_something_is_done_there(
    tokenizer: Any, then: str, outcome: str, weight: float
) -> None:
    """The place was closed when it was visited first, and opened then: its second sight has other words."""
    outcomes = [
        CLOSED,
        f"You open the box 1. {OPEN}",
        "You arrive at sofa 1. On the sofa 1, you see nothing.",
        f"You arrive at box 1. {OPEN}",
        outcome,
        "You win.",
    ]
    trajectory = walk(f"go to box 1|open box 1|go to sofa 1|go to box 1|{then}|end", outcomes)
    weights = action_weights(encode(tokenizer, trajectory, repeat_weight=0), tokenizer)
    assert weights == [1, 1, 1, weight, 1, 1]


def test_a_product_is_opened_again_in_order_to_buy_it(tokenizer: Any) -> None:
    page, results = "Red Shoes [SEP] Price: $12.40 [SEP] Buy Now", "Page 1 [SEP] Red Shoes [SEP] $12.40"
    trajectory = walk(
        "click[red shoes]|click[back to search]|click[red shoes]|click[buy now]|end",
        [page, results, page, "Thank you", "You win."],
    )
    assert action_weights(encode(tokenizer, trajectory, repeat_weight=0), tokenizer) == [1] * 5


def walk(actions: str, outcomes: list[str]) -> Trajectory:
    """A success of these actions (between bars, or words), each with its outcome."""
    names = actions.split("|") if "|" in actions else actions.split()
    made = make_trajectory(steps=len(names))
    for step, action, before in zip(made.steps, names, ["start", *outcomes], strict=False):
        step.action, step.observation = action, before
    made.final_observation = outcomes[-1]
    return made


def test_an_empty_mask_is_refused(tokenizer: Any) -> None:
    trajectory = make_trajectory()
    with pytest.raises(InvalidInputError, match=f"{trajectory.id} has no token to train on"):
        encode(tokenizer, trajectory, observation_weight=0, thought_weight=0, action_weight=0)


def test_a_sequence_over_the_limit_is_refused_with_its_id(tokenizer: Any) -> None:
    trajectory = make_trajectory()
    length = len(encode(tokenizer, trajectory))
    assert len(encode(tokenizer, trajectory, limit=length)) == length
    with pytest.raises(InvalidInputError, match=f"{trajectory.id} has {length} tokens; the limit is {length - 1}"):
        encode(tokenizer, trajectory, limit=length - 1)


def test_the_first_token_has_no_weight(tokenizer: Any) -> None:
    sequence = encode(tokenizer, make_trajectory())
    assert sequence.weights[0] == 0
    assert sequence.trained == len(sequence) - 1
    assert sequence.weights.dtype == np.float32


def test_an_episode_in_a_chat_template_trains_the_end_of_each_turn(tiny_model: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.chat_template = (
        "{% for m in messages %}<s>{{ m.role }}\n{{ m.content }}</s>\n{% endfor %}"
        "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
    )
    trajectory = make_trajectory(steps=2).model_copy(update={"prompt": PromptStyle.chat})
    sequence = encode(tokenizer, trajectory, action_weight=0.5, observation_weight=0)
    texts = {part: tokenizer.decode(sequence.ids[sequence.parts == part]) for part in Part}
    assert texts[Part.action] == "Action: go to cabinet 1</s>Action: go to cabinet 2</s>"
    assert texts[Part.thought].count("Thought: I look for a mug") == 2
    assert set(sequence.weights[sequence.parts == Part.action]) == {0.5}
    assert sequence.trained == (sequence.parts >= Part.thought).sum()
    ids = with_ids(tokenizer, trajectory)
    stripped = [
        s.model_copy(update={"completion": (s.completion or "").rstrip("\n"), "completion_ids": s.completion_ids[:-1]})
        for s in ids.steps
        if s.completion_ids
    ]
    exact = encode(tokenizer, ids.model_copy(update={"steps": stripped}))
    end = tokenizer.eos_token_id
    wanted = [i for s in stripped for i in [*(s.completion_ids or []), end]]
    assert exact.ids[exact.parts >= Part.thought].tolist() == wanted
