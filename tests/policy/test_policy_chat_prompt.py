"""Turns of an agent that reads its history through a chat template: what is generated is what is trained on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from a3t_contracts.base_model import resolve_base_model
from a3t_contracts.clients import PolicyClient
from a3t_contracts.errors import InvalidInputError, Problem
from a3t_contracts.react import History, Turn, encode_segments, render_history
from a3t_contracts.schemas import PromptStyle
from a3t_contracts.schemas.policy import ActRequest, ActResult, ActTurn, LoadAdapter, Sampling
from a3t_policy.app import create_app
from a3t_policy.backends.openai import OpenAIBackend
from a3t_policy.backends.tgi import TGIBackend
from a3t_policy.generation import Generated, Generation
from a3t_policy.text import TextCodec
from a3t_policy.turn import cut_turn
from a3t_policy.versions.check import content_id, read_manifest
from tests.support.live_server import live_server

from .conftest import policy_settings
from .policy_support import publish_random

TEMPLATE = (
    "{% for m in messages %}<s>{{ m.role }}\n{{ m.content }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def codec() -> TextCodec:
    """Of the shipped base, with a chat template."""
    tokenizer = AutoTokenizer.from_pretrained(resolve_base_model("a3t/tiny"))
    tokenizer.chat_template = TEMPLATE
    return TextCodec(tokenizer)


@pytest.fixture(scope="module")
def chat_policy(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A service over the tiny model with a chat template, and the model's folder."""
    home = tmp_path_factory.mktemp("chat-home")
    base = home / "base"
    shutil.copytree(tiny_model, base)
    (base / "chat_template.jinja").write_text(TEMPLATE)
    with live_server(create_app(policy_settings(base, home))) as url:
        yield url, base


def written(codec: TextCodec, ids: list[int], finish_reason: str) -> Generated:
    return Generated(codec.decode(ids), finish_reason, "m", 1, len(ids), ids, [-float(n) for n in range(len(ids))])


def test_a_turn_that_the_template_ends_keeps_its_ids(codec: TextCodec) -> None:
    end = codec.tokenizer.eos_token_id
    said = codec.encode("Thought: I look.\nAction: look", add_special_tokens=False)
    cut = cut_turn(written(codec, [*said, end], "stop"), codec, chat=True)
    assert (cut.text, cut.ids, cut.finish_reason) == ("Thought: I look.\nAction: look", said, "stop")
    assert cut.logprobs == [-float(n) for n in range(len(said))]
    more = cut_turn(written(codec, [*said, end, *said], "length"), codec, chat=True)
    assert (more.ids, more.finish_reason) == (said, "stop"), "a server that does not know the template's end"
    line = codec.encode("Action: look\n", add_special_tokens=False)
    assert cut_turn(written(codec, line, "stop"), codec, chat=True).ids == line


async def test_the_list_of_models_says_how_each_reads_a_history(
    chat_policy: tuple[str, Path], policy: str, token: str, tmp_path: Path
) -> None:
    url, base = chat_policy
    names = [None, PromptStyle.plain, PromptStyle.chat]
    for number, style in enumerate(names):
        publish_random(tmp_path, base, f"read-r{number:02d}", number, prompt=style)
    async with PolicyClient(url, token, timeout=120) as client:
        for number in range(len(names)):
            version = f"read-r{number:02d}"
            await client.load(LoadAdapter(lora_name=version, lora_path=str(tmp_path / version)))
        cards = {card.id: card.prompt for card in await client.models()}
    assert cards[str(base)] is PromptStyle.chat
    assert [cards[f"read-r{n:02d}"] for n in range(3)] == [PromptStyle.chat, PromptStyle.plain, PromptStyle.chat]
    async with PolicyClient(policy, token, timeout=120) as client:
        assert (await client.models())[0].prompt is PromptStyle.plain, "a base without a chat template"


def test_an_older_manifest_stands_for_the_same_content(tiny_model: Path, tmp_path: Path) -> None:
    publish_random(tmp_path, tiny_model, "old-r00", 1)
    folder = tmp_path / "old-r00"
    manifest = read_manifest(folder)
    assert manifest is not None
    assert content_id(folder, manifest) == content_id(folder, manifest.model_copy(update={"prompt": PromptStyle.chat}))
    assert content_id(folder, manifest) != content_id(folder, manifest.model_copy(update={"round": 7}))


async def test_the_next_prompt_has_the_generated_ids(chat_policy: tuple[str, Path], token: str) -> None:
    url, base = chat_policy
    codec = TextCodec.load(str(base))
    history = History(environment="alfworld", observation="You are in a room.", prompt=PromptStyle.chat)
    async with PolicyClient(url, token, timeout=120) as client:
        for turn in range(4):
            ask = ActTurn(history=history, sampling=Sampling(temperature=1.0, seed=turn, max_tokens=24))
            (result,) = (await client.act(ActRequest(turns=[ask]))).results
            assert isinstance(result, ActResult)
            prompt = encode_segments(codec, render_history(history, codec.frame)).ids
            assert result.prompt_tokens == len(prompt)
            if result.completion_ids is not None:
                assert codec.decode(result.completion_ids) == result.completion
            done = Turn(
                thought=result.thought,
                action=result.action,
                observation="Nothing happens.",
                completion=result.completion,
                completion_ids=result.completion_ids,
            )
            history = history.model_copy(update={"turns": [*history.turns, done]})
            longer = encode_segments(codec, render_history(history, codec.frame)).ids
            assert longer[: len(prompt)] == prompt
            known = result.completion_ids or []
            assert longer[len(prompt) : len(prompt) + len(known)] == known


async def test_a_base_without_a_template_says_so(policy: str, token: str) -> None:
    history = History(environment="alfworld", observation="You are in a room.", prompt=PromptStyle.chat)
    async with PolicyClient(policy, token) as client:
        (problem,) = (await client.act(ActRequest(turns=[ActTurn(history=history)]))).results
    assert isinstance(problem, Problem)
    assert (problem.status, "no chat template" in problem.detail) == (422, True)


@pytest.mark.parametrize("backend", [OpenAIBackend, TGIBackend])
async def test_servers_that_take_text_alone_are_refused(
    backend: type[OpenAIBackend] | type[TGIBackend], tiny_model: Path, tmp_path: Path
) -> None:
    kind = "openai" if backend is OpenAIBackend else "tgi"
    settings = policy_settings(
        tiny_model,
        tmp_path,
        policy_backend=kind,
        policy_upstreams="http://127.0.0.1:9",
        policy_upstream_token_ids=False,
    )
    remote = backend(settings)
    await remote.start()
    with pytest.raises(InvalidInputError, match="token ids in requests and replies"):
        await remote.generate(Generation([5], "x", Sampling(), act=True, chat=True))
    await remote.close()
