"""Exercises in the shop through the real services, and the tokenizer that is learnt from them."""

from __future__ import annotations

import asyncio
import json
import random
import re
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a3t_actre.app import create_app as create_actre
from a3t_actre.settings import ActReSettings
from a3t_contracts.clients import ActReClient, EnvClient
from a3t_contracts.schemas import ReasonBy, Source, Trajectory
from a3t_env.app import create_app as create_env
from a3t_env.settings import EnvSettings
from a3t_pretrain.corpus import corpus_line, write_corpus
from a3t_pretrain.sequences import Encoder
from a3t_pretrain.services import generate_data
from a3t_pretrain.settings import default_settings
from a3t_pretrain.webshop import ShopPractice
from a3t_pretrain.webshop.errands import OPENINGS
from a3t_pretrain.webshop.pages import instruction_in
from a3t_pretrain.webshop.tokenizer import ShopLexicon
from a3t_pretrain.webshop.vocabulary import merges_of

TOKEN = "a3t-development"
OPTIONS = r"( with [a-z]+: [^:]+(, and [a-z]+: [^:]+)?)?"
PRICE = r"(, and price lower than \d+\.\d\d dollars)?"
TITLE = r"[A-Z][a-z]+ [^:]+ [A-Z][0-9]+"
LINE = re.compile(
    rf"(?i:{'|'.join(OPENINGS)}) [^:]+?(, and (look around|open {TITLE}|read the (features|description) of {TITLE})|"
    rf"(, and ((open|buy) {TITLE}|buy the first one|open one|read the (features|description) of one))?{OPTIONS}{PRICE})"
)


@pytest.fixture(scope="module")
def shop_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("shop-home")
    generate_data(home, default_settings("webshop", games=600))
    return home


@pytest.fixture(scope="module")
def corpus(shop_home: Path) -> list[Trajectory]:
    return asyncio.run(_written(shop_home, 1200))


@pytest.fixture(scope="module")
def lexicon(corpus: list[Trajectory], tmp_path_factory: pytest.TempPathFactory) -> ShopLexicon:
    path = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    path.write_bytes(b"".join(map(corpus_line, corpus)))
    return ShopPractice().lexicon(path)


async def _written(home: Path, count: int, seed: int = 0) -> list[Trajectory]:
    async with AsyncExitStack() as stack:
        env_app, actre_app = create_env(EnvSettings(home=home)), create_actre(ActReSettings(home=home))
        for app in (env_app, actre_app):
            await stack.enter_async_context(app.router.lifespan_context(app))
        env = EnvClient("http://env", TOKEN, transport=httpx.ASGITransport(app=env_app))
        actre = ActReClient("http://actre", TOKEN, transport=httpx.ASGITransport(app=actre_app))
        await stack.enter_async_context(env)
        await stack.enter_async_context(actre)
        written = write_corpus(env, actre, "train", count, seed, lambda *_: None, ShopPractice())
        return [trajectory async for trajectory in written]


def _line(trajectory: Trajectory) -> str:
    return instruction_in(trajectory.steps[0].observation)


def test_exercises_are_errands_of_known_forms(corpus: list[Trajectory]) -> None:
    assert {t.task_type for t in corpus} == {"search", "open", "choose", "buy", "read", "hunt", "wander"}
    for trajectory in corpus:
        assert LINE.fullmatch(_line(trajectory)), _line(trajectory)
        for observation in [*(s.observation for s in trajectory.steps), trajectory.final_observation]:
            assert instruction_in(observation) in ("", _line(trajectory))


def test_only_what_was_named_is_bought(corpus: list[Trajectory]) -> None:
    for trajectory in corpus:
        if bought := [s for s in trajectory.steps if s.action == "click[buy now]"]:
            assert trajectory.task_type == "buy"
            title = bought[0].observation.split(" [SEP] Price: ")[0].rpartition(" [SEP] ")[2]
            assert f"buy {title}" in _line(trajectory) or "buy the first one" in _line(trajectory)


def test_what_is_meant_has_a_reason_of_its_own_and_slips_are_marked(corpus: list[Trajectory]) -> None:
    slips = 0
    for step in (s for t in corpus if t.task_type != "wander" for s in t.steps):
        assert step.thought
        if step.reason_by is ReasonBy.actre:
            assert "I try" not in step.thought, step
            assert step.valid
        else:
            slips += 1
            assert not step.valid
            assert step.source is Source.sampled
    assert slips


def test_hunts_go_from_the_first_result_on_until_one_has_the_options(corpus: list[Trajectory]) -> None:
    for trajectory in (t for t in corpus if t.task_type == "hunt"):
        wished = re.findall(r"[a-z]+: ([^,]+)", _line(trajectory).rpartition(" with ")[2].partition(", and price")[0])
        meant = [s.action for s in trajectory.steps if s.reason_by is ReasonBy.actre]
        assert set(meant) >= {f"click[{value}]" for value in wished}
        listed = re.findall(r"\b[A-Z0-9]{10}\b", trajectory.steps[1].observation)
        opened = list(dict.fromkeys(a[6:-1].upper() for a in meant if a[6:-1].upper() in listed))
        assert opened == listed[: len(opened)]


def test_a_search_has_the_values_of_the_options_that_the_line_names(corpus: list[Trajectory]) -> None:
    searched = 0
    for trajectory in (t for t in corpus if t.task_type in ("hunt", "choose", "buy")):
        wished = re.findall(r"[a-z]+: ([^,]+)", _line(trajectory).rpartition(" with ")[2].partition(", and price")[0])
        assert trajectory.steps[0].action.endswith(f"{' '.join(['', *wished])}]")
        searched += bool(wished)
    assert searched > 50


def test_many_exercises_end_with_a_search_for_what_a_longer_one_names(corpus: list[Trajectory]) -> None:
    searches = [t for t in corpus if t.task_type == "search"]
    assert all([step.action.startswith("search[") for step in t.steps] == [True] for t in searches)
    named = [t for t in searches if re.search(r" with [a-z]+: ", _line(t))]
    assert len(named) > len(corpus) / 4


def test_what_is_asked_for_begins_in_several_ways(corpus: list[Trajectory]) -> None:
    begun = {next(o for o in OPENINGS if _line(t).lower().startswith(o)) for t in corpus}
    assert begun == set(OPENINGS)
    assert any(_line(t)[0].isupper() for t in corpus)
    assert any(_line(t)[0].islower() for t in corpus)
    reasons = [t.steps[0].thought or "" for t in corpus if t.task_type == "hunt"]
    assert not [r for r in reasons for o in OPENINGS if f"I need {o}" in r], "the wording is no part of the wish"


async def test_the_same_seed_writes_the_same_exercises(shop_home: Path, corpus: list[Trajectory]) -> None:
    again = await _written(shop_home, 20)
    assert [t.model_dump() for t in again] == [t.model_dump() for t in corpus[:20]]


def test_corpus_lines_hold_what_is_trained_and_nothing_else(corpus: list[Trajectory]) -> None:
    """A field more would change the hash that `a3t pretrain --check` compares."""
    rows = [json.loads(corpus_line(trajectory)) for trajectory in corpus]
    episode = {"id", "run", "round", "kind", "sample", "metadata", "created_at", "steps"}
    task = {"environment", "split", "task_id", "task_type"}
    assert set().union(*rows) == episode | task | {"success", "stop_reason", "final_observation"}
    assert [row["steps"][0]["observation"] for row in rows] == [t.steps[0].observation for t in corpus]


def test_every_text_comes_back(corpus: list[Trajectory], lexicon: ShopLexicon) -> None:
    tokenizer = lexicon.tokenizer
    for text in {text for t in corpus for s in t.steps for text in (s.observation, f"Thought: {s.thought}")}:
        assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_odd_text_comes_back(text: str) -> None:
    tokenizer = ShopLexicon(["blue oat bars", "blue oat bars,", "in blue oat bars"], ["blue"]).tokenizer
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_words_are_one_token_and_know_their_other_forms(lexicon: ShopLexicon) -> None:
    def ids(text: str) -> list[int]:
        return list(lexicon.tokenizer(text, add_special_tokens=False)["input_ids"])

    (spaced,), (bare,), (title,) = ids(" color"), ids("color"), ids(" Color")
    assert spaced in ids("Thought: I need color mint. It is here. I choose it.")
    assert bare in ids("Observation: Instruction: [SEP] x [SEP] Back to Search [SEP] < Prev [SEP] color [SEP] mint")
    group = next(group for group in lexicon.twins() if (spaced, 1) in group)
    assert {(bare, 0), (title, 3)} <= set(group)


def test_product_numbers_are_cut_alike_on_pages_in_thoughts_and_in_clicks(lexicon: ShopLexicon) -> None:
    def cut(text: str, number: str) -> list[str]:
        tokens = lexicon.tokenizer(text, add_special_tokens=False)["input_ids"]
        pieces = [lexicon.tokenizer.decode([t]).strip() for t in tokens]
        return [piece for piece in pieces if piece and piece in number]

    for number in ("GNPZJW9NZ0", "GABCDEFGHI", "B07XYZ1234"):
        page = cut(f"Observation: Instruction: [SEP] x [SEP] {number} [SEP] Tevo", number)
        assert page == [number[0], *(number[i : i + 2] for i in range(1, 9, 2)), number[9]]
        assert cut(f"Thought: {number} is", number) == page
        assert cut(f"Action: click[{number.lower()}]\n", number.lower()) == [piece.lower() for piece in page]


def test_shuffling_keeps_forms_together(lexicon: ShopLexicon) -> None:
    table = lexicon.shuffled(random.Random(1))
    assert sorted(table) == list(range(len(lexicon.tokenizer)))
    moved = [(old, new) for old, new in enumerate(table) if old != new]
    assert moved
    form = {token: form for group in lexicon.twins() for token, form in group}
    assert all(form[old] == form[new] for old, new in moved)


def test_slips_and_pages_of_results_are_not_learnt(corpus: list[Trajectory], lexicon: ShopLexicon) -> None:
    encoder = Encoder(lexicon.tokenizer, lexicon.weighing)
    for trajectory in [t for t in corpus[:400] if len(t.steps) > 1 and t.task_type != "wander"]:
        weights = encoder.sequence(trajectory).weights
        meant = [f"Thought: {s.thought}\nAction: {s.action}\n" for s in trajectory.steps if s.valid]
        tokens = [lexicon.tokenizer(turn, add_special_tokens=False)["input_ids"] for turn in meant]
        assert (weights == 1.0).sum() == sum(map(len, tokens))
        assert (weights == 0.0).sum() > 150


def test_a_sequence_ends_with_the_last_action(corpus: list[Trajectory], lexicon: ShopLexicon) -> None:
    encoder = Encoder(lexicon.tokenizer, lexicon.weighing)
    for trajectory in corpus[:50]:
        text = lexicon.tokenizer.decode(encoder.sequence(trajectory).ids.tolist())
        assert text.rstrip().endswith(f"Action: {trajectory.steps[-1].action}")
        assert trajectory.steps[0].observation in text


def test_merges_take_the_most_frequent_pair_first() -> None:
    assert merges_of(["abab", "abc"], 2) == [("a", "b"), ("ab", "ab")]
