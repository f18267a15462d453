"""Permuting names: episodes stay consistent, draws can be repeated, wrong words are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from transformers import AutoTokenizer

from a3t_contracts.base_model import resolve_base_model
from a3t_contracts.errors import InvalidInputError
from a3t_contracts.schemas import Augmentation, FineTuningJobCreate, Objective, Optimisation
from a3t_trainer.encoding.name_permutation import NamePermutation
from a3t_trainer.encoding.plan import StepPlan, build_units
from a3t_trainer.encoding.sequences import TokenSequence
from a3t_trainer.training.trainer import StepDataset

TEXT = "Observation: On the shelf 1, you see a mug 2.\nThought: I look for mug 2. It is here. I take it.\n"
THINGS = ["mug", "plate", "fork", "vase"]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(resolve_base_model("a3t/tiny"))


def sequence(tokenizer: Any, name: str = "one") -> TokenSequence:
    ids = np.array(tokenizer.encode(TEXT, add_special_tokens=False), dtype=np.int64)
    weights = np.ones(len(ids), np.float32)
    weights[0] = 0.0
    return TokenSequence(name, "task", ids, np.ones(len(ids), np.int8), weights, 1.0, False)


def test_names_of_a_group_change_places_everywhere_and_nothing_else_does(tokenizer: Any) -> None:
    permutation = NamePermutation(tokenizer, Augmentation(interchangeable=[THINGS], share=1.0), seed=0)
    texts = [tokenizer.decode(permutation.apply(sequence(tokenizer), step).ids) for step in range(40)]
    assert set(texts) == {TEXT.replace("mug", thing) for thing in THINGS}


def test_share_is_how_often_a_group_is_permuted(tokenizer: Any) -> None:
    one = sequence(tokenizer)
    changed = {
        share: sum(not np.array_equal(permutation.apply(one, step).ids, one.ids) for step in range(400)) / 400
        for share in (0.0, 0.5, 1.0)
        for permutation in [NamePermutation(tokenizer, Augmentation(interchangeable=[THINGS], share=share), 0)]
    }
    assert changed[0.0] == 0
    assert changed[0.5] == pytest.approx(0.5 * 3 / 4, abs=0.08)
    assert changed[1.0] == pytest.approx(3 / 4, abs=0.08)


def test_steps_of_the_trainer_are_drawn_anew_and_can_be_repeated(tokenizer: Any) -> None:
    objective, optimisation = Objective(), Optimisation(max_steps=30, trajectories_per_step=2)
    units = build_units([sequence(tokenizer, "one"), sequence(tokenizer, "two")])

    def steps(seed: int) -> list[list[int]]:
        permutation = NamePermutation(tokenizer, Augmentation(interchangeable=[THINGS]), seed)
        plan = StepPlan.of(units, optimisation, 0)
        dataset = StepDataset(plan, objective, optimisation, 0, permutation=permutation)
        return [dataset[number][0]["input_ids"].tolist()[0] for number in (7, 3, 7, 21)]  # type: ignore[union-attr]

    first = steps(0)
    assert first[0] == first[2]
    assert first == steps(0)
    assert first != steps(1)
    assert len({tuple(ids) for ids in first}) > 1


def test_a_word_of_several_tokens_is_refused(tokenizer: Any) -> None:
    with pytest.raises(InvalidInputError, match="'hippopotamus', which is"):
        NamePermutation(tokenizer, Augmentation(interchangeable=[["mug", "hippopotamus"]]), 0)


def test_settings_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(ValidationError, match="names 'mug' twice"):
        Augmentation(interchangeable=[["mug"], ["plate", "mug"]])
    with pytest.raises(ValidationError, match="cannot be combined with the objective dpo"):
        FineTuningJobCreate(
            model="m",
            training_file="f",
            version="v",
            run="r",
            round=1,
            objective=Objective.model_validate({"name": "dpo"}),
            augmentation=Augmentation(interchangeable=[["mug"]]),
        )
