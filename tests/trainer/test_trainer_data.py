"""The training file is checked line by line, and the objective chooses what it trains on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.react import labelled_preamble
from a3t_contracts.schemas import Objective
from a3t_contracts.schemas.trajectory import TrajectoryKind
from a3t_trainer.encoding.data import read_trajectories
from a3t_trainer.encoding.selection import check_labels, select
from tests.trainer.conftest import make_trajectory, mixed_set, write_jsonl


def test_counts_and_warnings(tmp_path: Path) -> None:
    trajectories = [*mixed_set(), make_trajectory("unsolved", success=False), mixed_set()[0]]
    data = read_trajectories(write_jsonl(tmp_path / "x.jsonl", trajectories))
    counts = data.counts()
    assert (counts["successes"], counts["failures"], counts["duplicates"]) == (12, 4, 1)
    assert counts["failure_share"] == 0.25
    assert counts["unpaired_failures"] == 1
    assert any("no success of the same task" in w for w in data.warnings)
    assert any("1 lines repeat" in w for w in data.warnings)


def test_an_evaluation_episode_is_never_trained_on(tmp_path: Path) -> None:
    bad = make_trajectory(kind=TrajectoryKind.evaluation)
    path = write_jsonl(tmp_path / "x.jsonl", [make_trajectory(sample=1), bad])
    with pytest.raises(InvalidInputError, match=f"Line 2: trajectory {bad.id} was collected for evaluation"):
        read_trajectories(path)


def test_two_different_trajectories_with_one_id_are_refused(tmp_path: Path) -> None:
    one = make_trajectory()
    path = write_jsonl(tmp_path / "x.jsonl", [one, one.model_copy(update={"reward": 0.5})])
    with pytest.raises(InvalidInputError, match=r"Line 2: .* occurs in an earlier line with other content"):
        read_trajectories(path)


def test_a_trajectory_without_success_flag_is_refused(tmp_path: Path) -> None:
    content = json.loads(make_trajectory().model_dump_json())
    del content["success"]
    (tmp_path / "x.jsonl").write_text(json.dumps(content) + "\n")
    with pytest.raises(InvalidInputError, match="Line 1 is not a trajectory: success: Field required"):
        read_trajectories(tmp_path / "x.jsonl")


@pytest.mark.parametrize(
    ("text", "message"), [("", "has no trajectory"), ("{nonsense\n", "Line 1 is not a trajectory")]
)
def test_an_empty_or_broken_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.jsonl").write_text(text)
    with pytest.raises(InvalidInputError, match=message):
        read_trajectories(tmp_path / "x.jsonl")


def test_all_bad_lines_are_named(tmp_path: Path) -> None:
    good = make_trajectory().model_dump_json()
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join([good, "{nonsense", "", make_trajectory("b", steps=0).model_dump_json(), "[]"]) + "\n")
    with pytest.raises(InvalidInputError, match="3 of 4 lines of the training file are bad") as caught:
        read_trajectories(path)
    assert [line.split()[1].rstrip(":") for line in str(caught.value).splitlines()[1:]] == ["2", "4", "5"]
    path.write_text("{nonsense\n" * 5000)
    with pytest.raises(InvalidInputError, match=r"4900 more\.$") as caught:
        read_trajectories(path)
    assert len(str(caught.value)) < 50_000


def test_a_trajectory_without_steps_is_refused(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "x.jsonl", [make_trajectory(steps=0)])
    with pytest.raises(InvalidInputError, match="has no steps"):
        read_trajectories(path)


def test_the_factor_of_each_objective() -> None:
    trajectories = [make_trajectory(reward=0.75), make_trajectory(success=False, reward=0.25)]

    def factors(**objective: object) -> list[float]:
        return [f for _, f in select(trajectories, Objective.model_validate(objective))]

    assert factors() == [1, -1]
    assert factors(failure_reward=-0.5, failure_weight=0.5) == [1, -0.25]
    assert factors(failure_reward=0) == factors(name="sft") == [1]
    assert factors(name="raw_reward") == [0.75, 0.25]
    assert factors(name="label_prefix") == factors(name="dpo") == [1, 1]


def test_label_prefix_puts_the_outcome_into_the_preamble_once() -> None:
    earlier = make_trajectory(success=False, preamble=labelled_preamble("Example.", success=True))
    chosen = select([make_trajectory(), earlier], Objective.model_validate({"name": "label_prefix"}))
    assert [t.preamble for t, _ in chosen] == ["Outcome: success\n\n", "Outcome: failure\n\nExample."]


def test_other_objectives_train_without_the_label_that_an_agent_acted_behind() -> None:
    earlier = make_trajectory(preamble=labelled_preamble("Example.", success=True))
    for name in ("contrastive", "sft"):
        chosen = select([earlier], Objective.model_validate({"name": name}))
        assert [t.preamble for t, _ in chosen] == ["Example."]


def test_labels_that_a_vocabulary_cannot_tell_apart_are_refused() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    def tokenizer(*words: str) -> PreTrainedTokenizerFast:
        inner = Tokenizer(models.WordLevel({w: i for i, w in enumerate(["?", *words])}, unk_token="?"))
        inner.pre_tokenizer = pre_tokenizers.Whitespace()
        return PreTrainedTokenizerFast(tokenizer_object=inner)

    check_labels(tokenizer("success"))
    with pytest.raises(InvalidInputError, match="the same tokens"):
        check_labels(tokenizer("Outcome"))


def test_dpo_leaves_out_tasks_without_both_outcomes() -> None:
    trajectories = [make_trajectory("a"), make_trajectory("a", success=False), make_trajectory("b")]
    chosen = select(trajectories, Objective.model_validate({"name": "dpo"}))
    assert {t.task_id for t, _ in chosen} == {"a"}


@pytest.mark.parametrize("name", ["sft", "dpo", "raw_reward"])
def test_nothing_to_train_on_is_said(name: str) -> None:
    with pytest.raises(InvalidInputError, match=f"the objective {name} uses none of the 1 trajectories"):
        select([make_trajectory(success=False)], Objective.model_validate({"name": name}))
