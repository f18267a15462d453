"""Random and damaged texts and files to all that reads what others wrote: a typed error or a value, and no other end.

`FUZZ_EXAMPLES` is how many each reader gets (60; `make fuzz` tries 5,000).
"""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from a3t_contracts.adapter_config import check_adapter_config
from a3t_contracts.errors import A3TError, error_from_response
from a3t_contracts.react import History, parse_reply
from a3t_contracts.react.format import completion_text, observation_text, render_history, turn_end
from a3t_contracts.registry import RegistryReader
from a3t_contracts.safe_weights import check_safetensors
from a3t_contracts.schemas import Trajectory
from a3t_env.alfworld.game_file import read_game_file
from a3t_env.calculator.expression import evaluate
from a3t_env.game_index import INDEX_NAME
from a3t_env.plugins.description import describe
from a3t_env.plugins.discovery import targets_of_setting
from a3t_env.plugins.results import BadResultError, read_action, read_actions, read_reset, read_step
from a3t_env.plugins.spec import PluginSpec
from a3t_env.plugins.target import TargetError, load_target
from a3t_env.remote.address import addresses
from a3t_env.remote.http import checked
from a3t_env.textworld.index import read_index
from a3t_env.webshop.catalogue.records import product_from_record
from a3t_orchestrator.interchange.draft import Defaults
from a3t_orchestrator.interchange.formats import all_formats
from a3t_orchestrator.interchange.intake import episode_of
from a3t_orchestrator.interchange.names import read_names
from a3t_orchestrator.interchange.sources import read_records
from a3t_orchestrator.recipe import parse_recipe
from tests.policy.policy_support import publish_random

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
TYPED = (A3TError, BadResultError, TargetError)
fuzzed = settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))

texts = (
    st.text()
    | st.text("Thought:Action Observation>\n\r\t\x00\u2028", max_size=200)
    | st.from_regex(r"(Action: .*\n?)*")
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def typed_or_fine(read: Callable[..., Any], *given_: Any) -> Any:
    """What the reader gives; None after an error of the project's own. Every other error fails the test."""
    try:
        return read(*given_)
    except TYPED:
        return None


@fuzzed
@given(texts)
def test_whatever_a_model_writes_is_a_turn(text: str) -> None:
    reply = parse_reply(text)
    turn_end(text)
    again = parse_reply(completion_text(reply.thought, reply.action))
    assert again.action.split() == reply.action.split()  # a rendered action has single spaces


@fuzzed
@given(st.lists(texts, min_size=1, max_size=6), st.booleans())
def test_whatever_an_environment_shows_is_rendered(shown: list[str], multiline: bool) -> None:
    for text in shown:
        assert multiline or "\n" not in observation_text(text)
    turns = [{"action": text[:4096], "observation": text} for text in shown[1:]]
    history = {"environment": "e", "observation": shown[0], "turns": turns, "multiline": multiline}
    assert render_history(History.model_validate(history))


@fuzzed
@given(st.binary() | values.map(lambda value: json.dumps(value).encode()))
def test_a_game_file_of_anything(data: bytes) -> None:
    game = typed_or_fine(read_game_file, data)
    if game is not None:
        typed_or_fine(game.parse)


PDDL = st.text("()?:- abcdefine\n;\"'", max_size=300)
GRAMMAR = st.text('{}#[]|:;"\\ abc\n', max_size=300)


@fuzzed
@given(PDDL, PDDL, GRAMMAR)
def test_a_game_of_broken_pddl(domain: str, problem: str, grammar: str) -> None:
    data = json.dumps({"pddl_domain": domain, "pddl_problem": problem, "grammar": grammar}).encode()
    typed_or_fine(read_game_file(data).parse)


FIELDS = ["asin", "name", "Title", "category", "query", "product_category", "full_description", "small_description"]
FIELDS += ["pricing", "images", "customization_options", "BulletPoints", "attributes", "instructions"]


@fuzzed
@given(st.dictionaries(st.sampled_from(FIELDS), values, max_size=14), values, values)
def test_a_product_of_anything(record: dict[str, Any], attributes: Any, humans: Any) -> None:
    typed_or_fine(product_from_record, record, attributes, humans, "line 1")


@fuzzed
@given(values)
def test_an_adapters_settings_of_anything(config: Any) -> None:
    typed_or_fine(check_adapter_config, config if isinstance(config, dict) else {"r": config}, "here")


@fuzzed
@given(values)
def test_what_a_plug_in_answers(value: Any) -> None:
    for read in (read_reset, read_step, read_actions, read_action):
        typed_or_fine(read, value)
        typed_or_fine(read, (value, value))
        typed_or_fine(read, (value, 0.0, value, value, value))


@fuzzed
@given(st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()), st.integers(100, 599))
def test_what_a_remote_answers(body: bytes, status: int) -> None:
    typed_or_fine(checked, TypeAdapter(dict[str, Any]), body, "the remote")
    assert isinstance(error_from_response(status, body, "it"), A3TError)


@fuzzed
@given(
    st.text() | st.from_regex(r"[a-z]{0,3}=(http|openenv\+ws|agentgym\+http)://[^,]{0,20}(\?(tasks|split)=[^,]{0,5})?")
)
def test_addresses_of_remotes(text: str) -> None:
    typed_or_fine(addresses, text)


@fuzzed
@given(values)
def test_a_recipe_of_anything(value: Any) -> None:
    recipe = {"name": "r", "environment": "e", "data": value, "limits": value, "training": value, "compose": value}
    typed_or_fine(parse_recipe, recipe)
    typed_or_fine(parse_recipe, value if isinstance(value, dict) else {"name": value})


@fuzzed
@given(st.text() | st.text("0123456789+-*/(). e_", max_size=60))
def test_an_expression_of_anything(text: str) -> None:
    try:
        evaluate(text)
    except (ValueError, ArithmeticError):
        return


@fuzzed
@given(st.binary(max_size=300) | values.map(lambda value: json.dumps({"version": 1, "games": value}).encode()))
def test_an_index_of_games_of_anything(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("games")
    (folder / INDEX_NAME).write_bytes(data)
    typed_or_fine(read_index, folder)


@pytest.fixture(scope="module")
def registry(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("registry")
    publish_random(folder, tiny_model, "run-r00", 1)
    return folder


def test_a_changed_byte_anywhere_in_an_adapter_is_found(registry: Path, tmp_path: Path) -> None:
    coins = random.Random(11)
    for number in range(EXAMPLES):
        copy = tmp_path / f"{number}"
        shutil.copytree(registry, copy)
        files = sorted(path for path in (copy / "run-r00").iterdir() if path.name != "README.md")
        damaged = coins.choice(files)
        data = bytearray(damaged.read_bytes())
        data[coins.randrange(len(data))] ^= 1 << coins.randrange(8)
        damaged.write_bytes(data)
        before = json.loads((registry / "run-r00/manifest.json").read_text())
        fetched = typed_or_fine(RegistryReader(copy).fetch, "run-r00")
        if fetched is not None:  # a manifest's free text may change; what it says of the files may not
            assert damaged.name == "manifest.json"
            assert json.loads(damaged.read_text())["files"] == before["files"]
        shutil.rmtree(copy)


@fuzzed
@given(st.binary(max_size=400), st.integers(0, 2**64 - 1))
def test_weights_of_anything(tmp_path_factory: pytest.TempPathFactory, data: bytes, length: int) -> None:
    path = tmp_path_factory.mktemp("weights") / "adapter_model.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + data)
    typed_or_fine(check_safetensors, path)


@fuzzed
@given(values)
def test_a_trajectory_of_anything_is_refused_in_words(value: Any) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Trajectory.model_validate(value)


ROLES = ["system", "user", "assistant", "human", "gpt", "tool", "agent", "Environment", "wizard"]
TURNS = st.dictionaries(
    st.sampled_from(["role", "from", "content", "value", "text", "tool_calls", "reasoning_content", "weight", "loss"]),
    st.sampled_from(ROLES) | texts | values,
    max_size=5,
)
RECORD_KEYS = ["messages", "conversations", "prompt", "completion", "chosen", "rejected", "label", "steps"]
RECORD_KEYS += ["observation", "schema_version", "run", "kind", "task_id", "item_id", "id", "stop_reason", "reward"]
RECORD_KEYS += ["success", "round"]
RECORDS = st.dictionaries(
    st.sampled_from(RECORD_KEYS),
    st.lists(TURNS, max_size=5) | texts | values | st.sampled_from(["ATIF-v1.7", "demonstration", "policy", "done"]),
    max_size=8,
)


@fuzzed
@given(RECORDS, st.booleans(), st.none() | st.sampled_from(list(all_formats())))
def test_a_foreign_record_of_anything(record: dict[str, Any], chosen: bool, named: str | None) -> None:
    """Read as what it looks like, or as the format that whoever imports names."""
    form = all_formats()[named] if named else None
    read = typed_or_fine(partial(episode_of, chosen=chosen), record, Defaults(run="r", environment="e"), form)
    assert read is None or read[0].steps


FILES = st.binary(max_size=300) | st.lists(RECORDS | values, max_size=4).flatmap(
    lambda rows: st.sampled_from(
        [
            json.dumps(rows).encode(),
            "\n".join(map(json.dumps, rows)).encode(),
            "\r\n\r\n".join(json.dumps(row, indent=1) for row in rows).encode(),
            gzip.compress(json.dumps(rows).encode()),
        ]
    )
)


@fuzzed
@given(FILES, st.integers(0, 400), st.integers(0, 7))
def test_a_foreign_file_of_anything(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, place: int, bit: int
) -> None:
    """Whole, and with one bit turned: each record has a value or a problem."""
    path = tmp_path_factory.mktemp("foreign") / "x"
    damaged = bytearray(data)
    if place < len(damaged):
        damaged[place] ^= 1 << bit
    for content in (data, bytes(damaged)):
        path.write_bytes(content)
        for found in typed_or_fine(lambda: list(read_records(path))) or []:
            assert (found.value is None) != (found.problem is None)
        typed_or_fine(read_names, [path])


@fuzzed
@given(st.text() | st.from_regex(r"([a-z.=]{0,6}:?[A-Z]?[a-z]{0,3}(\.py)?,?){0,3}"))
def test_a_setting_that_names_plug_ins(text: str) -> None:
    typed_or_fine(targets_of_setting, text)


ATTRIBUTES = ["splits", "task_types", "max_steps", "success_reward", "multiline", "options", "about", "example"]
ATTRIBUTES += ["close", "tasks", "reset", "step", "actions", "sample", "expert", "lists_actions", "success", "get_data"]


@fuzzed
@given(st.dictionaries(st.sampled_from(ATTRIBUTES), values | st.just(lambda *_: None) | st.just(lambda *_: [{}, "a"])))
def test_a_class_of_a_plug_in_with_anything_in_it(attributes: dict[str, Any]) -> None:
    whole = {"splits": {"train": 1}, "reset": lambda self, task, seed: "", "step": lambda self, action: ("", 0.0, True)}
    for given_ in (attributes, whole | attributes):
        described = typed_or_fine(describe, type("Theirs", (), dict(given_)))
        if described is not None:
            typed_or_fine(PluginSpec.read, "theirs", "theirs:Theirs", described)


LINES = ["class A:\n    x = 1", "x = A.y", "raise SystemExit", "1/0", "import nosuch", "x = '", "  indented"]
LINES += ["\x00", "é = 1"]
SOURCES = st.lists(st.sampled_from(LINES), max_size=4).map("\n".join)


@fuzzed
@given(SOURCES, st.sampled_from(["A", "A.x", "B.c.d", "x"]))
def test_a_file_of_a_plug_in_of_anything(tmp_path_factory: pytest.TempPathFactory, source: str, name: str) -> None:
    """Loading it runs it, so the source is one that does nothing but fail."""
    folder = tmp_path_factory.mktemp("plugins")
    module = f"fuzzed_{folder.name.replace('-', '_')}"
    (folder / f"{module}.py").write_text(source, encoding="utf-8")
    before = list(sys.path)
    try:
        typed_or_fine(load_target, f"{folder / module}.py:{name}")
    finally:
        sys.path[:] = before
        sys.modules.pop(module, None)
