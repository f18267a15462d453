"""WebShop behind the protocol of the env service."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from a3t_contracts.errors import InvalidInputError, NotFoundError, UnplayableError
from a3t_env.webshop import WebShopEnvironment
from a3t_env.webshop.game.shopper import RuleBaseline
from a3t_orchestrator.driver.imported import TaskNames


@pytest.fixture(scope="module")
def environment(data_folder: Path) -> WebShopEnvironment:
    return WebShopEnvironment(data_folder)


def test_splits_follow_the_original_and_the_paper(environment: WebShopEnvironment) -> None:
    info = environment.info()
    splits, goals = info.splits, len(environment.shop.synthetic)
    assert (info.name, info.engines, info.max_steps) == ("webshop", ["native"], 15)
    assert info.task_types == ["beauty", "electronics", "fashion", "garden", "grocery"]
    assert (splits["test"], splits["paper_test"], splits["paper_valid"]) == (500, 500, 400)
    assert splits["test"] + splits.get("eval", 0) + splits.get("train", 0) == goals
    assert splits["human_test"] == len(environment.shop.human)
    assert [t.id for t in environment.tasks("eval")[:2]] == ["goal-00500", "goal-00501"]
    assert environment.tasks("paper_valid")[0].split == "paper_valid"
    assert len(environment.tasks()) == goals
    assert len(environment.tasks("nonsense")) == 0


def test_tasks_by_type(environment: WebShopEnvironment) -> None:
    parts = [environment.tasks("test", kind) for kind in environment.info().task_types]
    assert sum(map(len, parts)) == 500
    assert all(task.type == "beauty" for task in environment.tasks("test", "beauty"))
    assert len(environment.tasks("test", "nonsense")) == 0


def test_tasks_do_not_tell_the_product(environment: WebShopEnvironment) -> None:
    task = environment.task("goal-00017")
    goal = environment.shop.synthetic.goal(17)
    assert (task.instruction, task.split) == (goal.instruction, "test")
    assert goal.asin not in task.model_dump_json()


def test_numbers_of_others_mean_the_goals_whose_instruction_is_shown(environment: WebShopEnvironment) -> None:
    """By number alone nothing is meant: another catalogue has other goals."""
    names = TaskNames(environment.tasks("eval"), environment.info().task_numbers)
    episode = environment.episode("goal-00512")
    shown = episode.start().observation
    found = names.find("webshop_512", f"WebShop {shown.upper()}")
    assert found is not None
    assert found.id == "goal-00512"
    assert names.find("webshop_512") is None
    assert names.find("webshop_511", shown) is None
    assert names.find("webshop_12", shown) is None, "of another split"
    assert names.find("alfworld_512", shown) is None


@pytest.mark.parametrize(
    "task_id",
    ["goal-1", "goal-99999999", "x", "human-99999", "../goal-00001", "goal-00001\n", "goal-000001", "goal-٠٠٠٠١"],
)
def test_unknown_tasks(environment: WebShopEnvironment, task_id: str) -> None:
    with pytest.raises(NotFoundError):
        environment.task(task_id)
    with pytest.raises(NotFoundError):
        environment.episode(task_id)


def test_a_goal_whose_product_is_damaged_can_never_be_played(data_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(data_folder, tmp_path / "data")
    products = tmp_path / "data" / "webshop" / "generated" / "products.bin"
    whole = WebShopEnvironment(tmp_path / "data")
    goal = whole.shop.synthetic.goal(17)
    start = int(np.fromfile(products.with_suffix(".off"), np.uint64)[goal.product])
    with products.open("r+b") as file:
        file.seek(start)
        file.write(b"#")
    environment = WebShopEnvironment(tmp_path / "data")
    with pytest.raises(UnplayableError, match="The product of goal-00017 in the catalogue 'generated' cannot be read"):
        environment.episode("goal-00017")
    other = next(n for n in range(100) if whole.shop.synthetic.goal(n).product != goal.product)
    assert environment.episode(f"goal-{other:05d}").start().observation


@pytest.mark.parametrize("options", [{"mode": "html"}, {"colour": "on"}, {"show_attributes": "yes"}])
def test_unknown_options_are_refused(environment: WebShopEnvironment, options: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError, match="session option"):
        environment.episode("goal-00000", options=options)
    with pytest.raises(InvalidInputError, match="no engine"):
        environment.episode("goal-00000", "java")


def test_modes(environment: WebShopEnvironment) -> None:
    seen = {
        mode: environment.episode("goal-00005", options={"mode": mode}).start().observation
        for mode in ("text", "text_rich", "url")
    }
    assert " [SEP] Search" in seen["text"]
    assert "[button] Search [button_]" in seen["text_rich"]
    assert seen["url"] == "http://127.0.0.1:3000/5"
    assert environment.episode("goal-00005").start().observation == seen["text"]


def test_an_episode_with_all_parts_of_the_reward(environment: WebShopEnvironment) -> None:
    episode = environment.episode("goal-00003")
    outcome = episode.start()
    while not outcome.done:
        outcome = episode.step(episode.expert())
        assert outcome.valid
    assert 0 < outcome.reward <= 1
    assert outcome.success is (outcome.reward == 1.0)
    assert {"r_type", "r_att", "r_price", "query_match", "category_match", "title_score", "base"} <= outcome.info.keys()
    assert all(isinstance(value, float) for value in outcome.info.values())
    assert outcome.reward == pytest.approx(outcome.info["base"] * outcome.info["r_type"])
    again = episode.step("click[buy now]")
    assert (again.valid, again.reward, again.info) == (False, 0.0, {})
    assert not episode.start().done


def test_invalid_actions_change_nothing(environment: WebShopEnvironment) -> None:
    episode = environment.episode("goal-00001")
    before = episode.start().observation
    outcome = episode.step("go to shelf 1")
    assert (outcome.observation, outcome.valid, outcome.reward, outcome.done) == (before, False, 0.0, False)


def test_sampled_actions_are_possible_and_follow_the_seed(environment: WebShopEnvironment) -> None:
    for task in ("goal-00002", "human-00001"):
        episode, twin = environment.episode(task), environment.episode(task)
        episode.start()
        twin.start()
        for seed in range(40):
            action = episode.sample(seed)
            assert action == twin.sample(seed)
            assert episode.sample(seed, avoid=action) != action
            assert episode.step(action).valid
            twin.step(action)


def test_sampled_clicks_cover_the_page(environment: WebShopEnvironment) -> None:
    episode = environment.episode("goal-00002")
    episode.start()
    queries = {episode.sample(seed) for seed in range(50)}
    assert len(queries) > 20
    words = set(environment.shop.synthetic.goal(2).instruction.lower().split())
    assert all(
        set(q.removeprefix("search[").removesuffix("]").split()) <= {w.strip(",") for w in words} | words
        for q in queries
    )
    episode.step("search[lamp]")
    assert {episode.sample(seed) for seed in range(400)} == set(episode.actions())
    episode.step(episode.actions()[-1])
    assert episode.actions()[:2] == ["click[back to search]", "click[< prev]"]


def test_listed_actions_are_possible(environment: WebShopEnvironment) -> None:
    episode = environment.episode("goal-00007")
    episode.start()
    assert len(episode.actions()) == 1
    for place in (0, 2, 3, -1):
        assert episode.step(episode.actions()[place]).valid


def test_the_shopper_beats_the_rule(environment: WebShopEnvironment) -> None:
    shopper, rule, solved = 0.0, 0.0, 0
    for task in environment.tasks("test")[:60]:
        episode = environment.episode(task.id)
        outcome = episode.start()
        for _ in range(15):
            outcome = episode.step(episode.expert())
            if outcome.done:
                break
        shopper += outcome.reward
        solved += outcome.success
        rule += _play_rule(environment, task.id)
    assert solved >= 45
    assert shopper > rule


def _play_rule(environment: WebShopEnvironment, task_id: str) -> float:
    episode, player = environment.episode(task_id), RuleBaseline()
    outcome = episode.start()
    player.see(episode.page)
    for _ in range(15):
        outcome = episode.step(player.next_action())
        player.see(episode.page)
        if outcome.done:
            break
    return outcome.reward


def test_the_shopper_goes_on_from_wherever_it_is(environment: WebShopEnvironment) -> None:
    episode = environment.episode("goal-00009")
    episode.start()
    for seed in range(25):
        episode.step(episode.sample(seed, avoid="click[buy now]"))
        assert episode.expert()
    outcome = episode.start()
    for _ in range(15):
        outcome = episode.step(episode.expert())
        if outcome.done:
            break
    assert outcome.done


def test_without_a_catalogue_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="a3t data generate webshop"):
        WebShopEnvironment(tmp_path)


def test_a_catalogue_by_name(data_folder: Path) -> None:
    assert len(WebShopEnvironment(data_folder, "generated").shop.catalogue) == 400
    with pytest.raises(NotFoundError, match="Known: generated"):
        WebShopEnvironment(data_folder, "other")
    with pytest.raises(NotFoundError):
        WebShopEnvironment(data_folder, "../generated")
