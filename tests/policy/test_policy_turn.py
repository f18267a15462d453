"""The agent's turn ends alike in every backend, and what is kept of it is what its text says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from a3t_contracts.base_model import resolve_base_model
from a3t_contracts.clients import PolicyClient
from a3t_contracts.react import History, Turn, encode_segments, render_history
from a3t_contracts.schemas.policy import ActRequest, ActResult, ActTurn, Sampling
from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_policy.app import create_app
from a3t_policy.engine.stopping import TextTail
from a3t_policy.generation import Generated
from a3t_policy.text import TextCodec
from a3t_policy.turn import cut_turn
from tests.support.live_server import live_server

from .conftest import policy_settings

SHIPPED = "a3t/tiny"
MADE_UP = {
    "Thought: I look.\nObservation: Nothing happens.\nThought: I go.\nAction: go to shelf 1\n": "Thought: I look.\n",
    "Thought: I look for pen shelf Observation: Nothing happens. Thought: so": "Thought: I look for pen shelf ",
    "Thought: pen penObservation: Nothing happens.\nAction: look\n": "Thought: pen pen",
    "Thought: I look.\nobservation: Nothing happens.\nAction: look\n": "Thought: I look.\n",
    "Action: go to shelf 1 Observation: You arrive.\nAction: look\n": "Action: go to shelf 1 ",
    "Observation: You are in a room.\nAction: look\n": "",
    "Thought: ünïcødé – Observation: x": "Thought: ünïcødé – ",
}


@pytest.fixture(scope="module")
def codec() -> TextCodec:
    """Of the shipped base, which writes a whole `Observation: Nothing happens.` and its line end as one token."""
    return TextCodec.load(resolve_base_model(SHIPPED))


def generated(codec: TextCodec, ids: list[int], finish_reason: str = "length") -> Generated:
    logprobs = [-float(n) for n in range(len(ids))]
    return Generated(codec.decode(ids), finish_reason, "m", 1, len(ids), ids, logprobs)


def pieces(codec: TextCodec, text: str, *, single: bool) -> list[int]:
    """The ids of a text, as the tokenizer writes it or character by character."""
    return [i for part in (text if single else [text]) for i in codec.encode(part, add_special_tokens=False)]


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("text", MADE_UP)
def test_a_made_up_observation_is_cut_off_with_its_tokens(codec: TextCodec, text: str, single: bool) -> None:
    ids = pieces(codec, text, single=single)
    cut = cut_turn(generated(codec, ids), codec)
    assert (cut.text, cut.made_up_observation, cut.finish_reason) == (MADE_UP[text], True, "stop")
    assert cut.ids == ids[: len(cut.ids or ())]
    assert codec.decode(cut.ids or []) == cut.text
    assert cut.logprobs == [-float(n) for n in range(len(cut.ids or ()))]


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("text", MADE_UP)
def test_the_engine_goes_no_further_than_the_label(codec: TextCodec, text: str, single: bool) -> None:
    tail, ids = TextTail(codec, (), act=True), pieces(codec, text, single=single)
    for count, token in enumerate(ids, 1):  # noqa: B007
        tail.push(token)
        if tail.stopped_by is not None:
            break
    assert tail.stopped_by == "turn"
    label = text.lower().index("observation:") + len("observation:")
    assert len(codec.decode(ids[: count - 1])) < label
    assert cut_turn(generated(codec, ids[:count]), codec).text == MADE_UP[text]


@pytest.mark.parametrize("behind", ["", "\n", "Observation: Nothing happens.\n", "Thought: x\nAction: look\n"])
def test_an_action_line_ends_the_turn(codec: TextCodec, behind: str) -> None:
    text = "Thought: I look.\nAction: go to shelf 1\n"
    ids = pieces(codec, text, single=True) + pieces(codec, behind, single=False)
    cut = cut_turn(generated(codec, ids), codec)
    assert (cut.text, cut.made_up_observation, cut.finish_reason) == (text, False, "stop")
    assert codec.decode(cut.ids or []) == text
    assert len(cut.logprobs or ()) == len(cut.ids or ())


def test_a_token_that_holds_more_than_the_line_end_is_given_up(codec: TextCodec) -> None:
    merged = codec.encode(".\nAction: go to", add_special_tokens=False)
    assert len(merged) == 1, "the shipped tokenizer has a token for this"
    ids = [*codec.encode("Action: look", add_special_tokens=False), *merged]
    cut = cut_turn(generated(codec, ids), codec)
    assert (cut.text, cut.ids, cut.logprobs) == ("Action: look.\n", None, None)


@pytest.mark.parametrize(
    ("text", "stop", "kept", "made_up"),
    [
        ("Thought: I look.\nAction: look\n", "Observation:", "Thought: I look.\nAction: look\n", False),
        ("Thought: I look.\nAction: look", None, "Thought: I look.\nAction: look\n", False),
        ("Thought: I look.\n", "Observation:", "Thought: I look.\n", True),
        ("Thought: I look. ", "Observation:", "Thought: I look.\n", True),
        ("Thought: I look. Observation: x", None, "Thought: I look.\n", True),
        ("Thought: I look", None, "Thought: I look", False),
        ("", "Observation:", "", True),
    ],
)
def test_a_server_that_gives_text_alone(
    codec: TextCodec, text: str, stop: str | None, kept: str, made_up: bool
) -> None:
    cut = cut_turn(Generated(text, "stop", "m", 1, 9, stop_sequence=stop), codec)
    assert (cut.text, cut.made_up_observation, cut.ids) == (kept, made_up, None)


def test_a_turn_that_the_model_ended_itself_gets_its_line_end(codec: TextCodec) -> None:
    ids = codec.encode("Action: look", add_special_tokens=False)
    cut = cut_turn(generated(codec, ids, finish_reason="stop"), codec)
    assert (cut.text, cut.ids) == ("Action: look\n", None)
    whole = cut_turn(generated(codec, ids), codec)
    assert (whole.text, whole.ids, whole.finish_reason) == ("Action: look", ids, "length")
    eos = codec.tokenizer.eos_token_id
    thought = codec.encode("Thought: I look", add_special_tokens=False)
    assert cut_turn(generated(codec, [*thought, eos], finish_reason="stop"), codec).ids == thought


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The shipped base on the local engine, and services in front of it with every other backend."""
    home = tmp_path_factory.mktemp("turns")
    with ExitStack() as stack:

        def start(name: str, **changes: Any) -> str:
            settings = policy_settings(Path(SHIPPED), home / name, **changes)
            return stack.enter_context(live_server(create_app(settings)))

        local = start("local")
        upstream = {"policy_upstreams": local, "policy_upstream_token": DEVELOPMENT_TOKEN}
        yield {
            "local": local,
            "openai": start("openai", policy_backend="openai", **upstream),
            "text": start("text", policy_backend="openai", policy_upstream_token_ids=False, **upstream),
            "tgi": start("tgi", policy_backend="tgi", **upstream),
        }


async def turns_of(url: str, asks: list[ActTurn]) -> list[ActResult]:
    async with PolicyClient(url, DEVELOPMENT_TOKEN, timeout=120) as client:
        results = (await client.act(ActRequest(turns=asks))).results
    assert all(isinstance(result, ActResult) for result in results), results
    return [result for result in results if isinstance(result, ActResult)]


async def test_every_backend_ends_a_turn_alike(services: dict[str, str], codec: TextCodec) -> None:
    room = "You are in the middle of a room. Looking quickly around you, you see a shelf 1, a desk {}. {}"
    asks = [
        ActTurn(
            history=History(environment="alfworld", observation=room.format(n, "Your task is to: put a pen in shelf.")),
            sampling=Sampling(temperature=temperature, max_tokens=60, seed=n),
        )
        for temperature in (0.0, 1.0, 2.5)
        for n in range(24)
    ]
    results = {name: await turns_of(url, asks) for name, url in services.items()}
    said = {name: [(r.thought, r.action, r.made_up_observation) for r in found] for name, found in results.items()}
    assert said["openai"] == said["text"] == said["tgi"] == said["local"]
    assert any(r.made_up_observation for r in results["local"])
    assert any(r.action and not r.made_up_observation for r in results["local"])
    for name, found in results.items():
        for ask, result in zip(asks, found, strict=True):
            assert "Observation:" not in result.completion
            _is_exact(codec, ask.history, result)
            assert name != "text" or result.completion_ids is None


def _is_exact(codec: TextCodec, history: History, result: ActResult) -> None:
    """What is stored of the turn is what its text says, and what the next prompt holds of it."""
    ids = result.completion_ids
    if ids is None:
        assert result.logprobs is None
        ids = codec.encode(result.completion, add_special_tokens=False)
    else:
        assert codec.decode(ids) == result.completion
        assert len(result.logprobs or ()) == len(ids)
    turn = Turn(
        thought=result.thought,
        action=result.action,
        observation="Nothing happens.",
        completion=result.completion,
        completion_ids=result.completion_ids,
    )
    prompt = encode_segments(codec, render_history(history.model_copy(update={"turns": [turn]})))
    assert [i for i, kind in zip(prompt.ids, prompt.kinds, strict=True) if kind == "completion"] == ids
