"""Real clients against the running service: openai, huggingface_hub, curl, and the project's own."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import httpx
import httpx2
import openai
import pytest
from huggingface_hub import InferenceClient, set_client_factory
from huggingface_hub.errors import ValidationError as TGIValidationError

from a3t_contracts.clients import PolicyClient
from a3t_contracts.errors import NotFoundError, Problem, UnauthorizedError
from a3t_contracts.react import History, Turn
from a3t_contracts.schemas.policy import ActRequest, ActResult, ActTurn, LoadAdapter, Sampling

from .conftest import FORCED

HISTORY = History(environment="alfworld", observation="You are in the middle of a room.")
VERSION, TOKEN = next(iter(FORCED.items()))


@pytest.fixture
def client(policy: str, token: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{policy}/v1", api_key=token, max_retries=0)


@pytest.fixture
def tgi(policy: str, token: str) -> InferenceClient:
    set_client_factory(lambda: httpx2.Client(timeout=60))  # the Hub's own is refused by HF_HUB_OFFLINE
    return InferenceClient(policy, token=token, provider="hf-inference")


@pytest.fixture
def http(policy: str, token: str) -> httpx.Client:
    return httpx.Client(base_url=policy, headers={"Authorization": f"Bearer {token}"}, timeout=60)


@pytest.fixture(autouse=True, scope="module")
def forced(policy: str, token: str) -> None:
    """The forcing version is loaded beside the base, which stays live."""
    body = {"lora_name": VERSION, "make_default": False}
    reply = httpx.post(f"{policy}/v1/load_lora_adapter", json=body, headers={"Authorization": f"Bearer {token}"})
    assert reply.status_code == 200, reply.text


def test_openai_completions(client: openai.OpenAI) -> None:
    ask = {"model": VERSION, "prompt": "Observation: x", "max_tokens": 4, "temperature": 0}
    done = client.completions.create(**ask, n=2, logprobs=2, extra_body={"return_token_ids": True})
    assert done.model == VERSION
    assert [choice.token_ids for choice in done.choices] == [[TOKEN] * 4] * 2
    logprobs = done.choices[0].logprobs
    assert logprobs is not None
    assert len(logprobs.token_logprobs) == 4
    assert all(
        len(top) == 2 and max(top.values()) == given
        for top, given in zip(logprobs.top_logprobs, logprobs.token_logprobs, strict=True)
    )
    assert done.usage is not None
    assert done.usage.completion_tokens == 8


def test_openai_stream_equals_the_whole(client: openai.OpenAI) -> None:
    ask = {"model": str(client.models.list().data[0].id), "prompt": "Observation: y", "max_tokens": 12, "seed": 4}
    whole = client.completions.create(**ask)
    chunks = list(client.completions.create(**ask, stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].text for c in chunks if c.choices) == whole.choices[0].text
    assert chunks[-1].usage == whole.usage.model_copy(
        update={"prompt_tokens_details": chunks[-1].usage.prompt_tokens_details}
    )
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason


def test_openai_stop_and_seed(client: openai.OpenAI) -> None:
    ask = {"model": VERSION, "prompt": ["a", "b"], "max_tokens": 6}
    text = client.completions.create(**ask, temperature=0).choices[0].text
    stopped = client.completions.create(**ask, temperature=0, stop=[text[2:3]])
    assert all(choice.finish_reason == "stop" for choice in stopped.choices)
    assert all(text[2:3] not in choice.text for choice in stopped.choices)
    one, two = (client.completions.create(model=ask["model"], prompt="a", max_tokens=6, seed=11) for _ in range(2))
    assert one.choices[0].text == two.choices[0].text


def test_openai_chat(client: openai.OpenAI) -> None:
    messages = [{"role": "system", "content": "Solve it."}, {"role": "user", "content": "You see a mug."}]
    ask = {"model": VERSION, "messages": messages, "max_completion_tokens": 3, "temperature": 0}
    done = client.chat.completions.create(**ask, logprobs=True, top_logprobs=2)
    assert done.model == VERSION
    assert done.choices[0].logprobs is not None
    assert len(done.choices[0].logprobs.content or []) == 3
    parts = [c.choices[0].delta.content or "" for c in client.chat.completions.create(**ask, stream=True)]
    assert "".join(parts) == done.choices[0].message.content


def test_openai_errors_are_typed(client: openai.OpenAI, policy: str) -> None:
    with pytest.raises(openai.NotFoundError, match="nobody-r01"):
        client.completions.create(model="nobody-r01", prompt="x")
    with pytest.raises(openai.UnprocessableEntityError, match="logit_bias"):
        client.completions.create(model=VERSION, prompt="x", logit_bias={"5": 1})
    with pytest.raises(openai.APIStatusError) as refused:
        client.completions.create(model=VERSION, prompt=[5] * 3000)
    assert refused.value.status_code == 413
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{policy}/v1", api_key="wrong").models.list()


def test_tgi_text_generation(tgi: InferenceClient) -> None:
    done = tgi.text_generation("Observation: x", adapter_id=VERSION, max_new_tokens=4, details=True)
    assert [token.id for token in done.details.tokens] == [TOKEN] * 4
    assert done.details.finish_reason == "length"
    parts = list(tgi.text_generation("Observation: x", adapter_id=VERSION, max_new_tokens=4, stream=True))
    assert len(parts) == 4
    assert "".join(parts) == done.generated_text
    last = list(tgi.text_generation("Observation: x", max_new_tokens=4, stream=True, details=True))[-1]
    assert last.details.generated_tokens == 4


def test_tgi_stop_sequence_stays_in_the_text(tgi: InferenceClient) -> None:
    text = tgi.text_generation("Observation: x", adapter_id=VERSION, max_new_tokens=6)
    stopped = tgi.text_generation(
        "Observation: x", adapter_id=VERSION, max_new_tokens=6, stop=[text[1:3]], details=True
    )
    assert stopped.generated_text == text[:2]  # one token said again and again
    assert stopped.details.finish_reason == "stop_sequence"


def test_tgi_chat_info_and_errors(tgi: InferenceClient) -> None:
    done = tgi.chat_completion([{"role": "user", "content": "hello"}], max_tokens=3)
    assert done.choices[0].finish_reason in ("length", "stop")
    assert tgi.get_endpoint_info()["max_total_tokens"] == 1024
    with pytest.raises(TGIValidationError, match="tokens"):
        tgi.text_generation("x " * 5000)


ROOT = Path(__file__).parents[2]
CURL = re.compile(r"^curl .*(?:\n  .*)*", re.MULTILINE)


def curls(page: str) -> list[str]:
    """The curl commands of a page that ask the policy service."""
    return [command for command in CURL.findall((ROOT / page).read_text()) if ":8102" in command]


@pytest.mark.parametrize("page", ["README.md", "docs/policy-service.md"])
def test_curl_as_the_pages_write_it(page: str, policy: str, token: str, tiny_model: Path) -> None:
    commands = curls(page)
    assert commands
    for command in commands:
        here = re.sub(r"(http://)?(127\.0\.0\.1|localhost):8102", policy, command).replace("a3t/tiny", str(tiny_model))
        environment = os.environ | {"A3T_TOKEN": token}
        done = subprocess.run(["bash", "-ceu", here], check=True, capture_output=True, text=True, env=environment)
        reply = json.loads(done.stdout)
        assert reply.get("choices") or reply.get("results"), reply


async def test_act_with_the_project_client(policy: str, token: str) -> None:
    turns = [
        ActTurn(history=HISTORY, sampling=Sampling(max_tokens=8)),
        ActTurn(history=HISTORY, model=VERSION, sampling=Sampling(max_tokens=5), logprobs=False),
        ActTurn(history=HISTORY, model="nobody-r01"),
        ActTurn(history=History(environment="alfworld", observation="long " * 3000)),
    ]
    async with PolicyClient(policy, token) as client:
        base, forced, unknown, long = (await client.act(ActRequest(turns=turns))).results
        cards = await client.models()
    assert isinstance(base, ActResult)
    assert isinstance(forced, ActResult)
    assert base.logprobs is not None
    assert len(base.logprobs) == len(base.completion_ids or [])
    assert (forced.completion_ids, forced.logprobs, forced.model) == ([TOKEN] * 5, None, VERSION)
    assert isinstance(unknown, Problem)
    assert unknown.status == 404
    assert isinstance(long, Problem)
    assert long.status == 413
    assert [card.live for card in cards].count(True) == 1


async def test_tokens_have_texts(policy: str, token: str) -> None:
    async with PolicyClient(policy, token) as client:
        turn = ActTurn(history=HISTORY, model=VERSION, sampling=Sampling(max_tokens=3))
        (done,) = (await client.act(ActRequest(turns=[turn]))).results
        assert isinstance(done, ActResult)
        assert done.completion_ids
        texts = await client.detokenize(done.completion_ids)
        assert "".join(texts) == done.completion
        assert await client.detokenize([2**31 - 1]) == [""]
        assert await client.detokenize([]) == []


async def test_wrong_token_and_unknown_adapter(policy: str, token: str) -> None:
    async with PolicyClient(policy, "wrong") as client:
        with pytest.raises(UnauthorizedError):
            await client.models()
    async with PolicyClient(policy, token) as client:
        with pytest.raises(NotFoundError, match="no adapter version"):
            await client.load(LoadAdapter(lora_name="nobody-r01"))
        with pytest.raises(NotFoundError):
            await client.unload("nobody-r01")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/completions", {"prompt": ""}, 422),
        ("/v1/completions", {"prompt": []}, 422),
        ("/v1/completions", {"prompt": [-1]}, 422),
        ("/v1/completions", {"prompt": [10**9]}, 422),
        ("/v1/completions", {"prompt": "x", "stop": [""]}, 422),
        ("/v1/completions", {"prompt": "x", "temprature": 1}, 422),
        ("/v1/completions", {"prompt": ["x"] * 600, "n": 2}, 413),
        ("/v1/chat/completions", {"messages": []}, 422),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 422),
        ("/generate", {"inputs": ""}, 422),
        ("/generate", {"inputs": "x", "parameters": {"adapter_id": "nobody"}}, 404),
        ("/generate_stream", {"inputs": "x", "parameters": {"adapter_id": "nobody"}}, 404),
        ("/v1/act", {"turns": []}, 422),
        ("/v1/load_lora_adapter", {"lora_name": "../../etc"}, 422),
        ("/v1/load_lora_adapter", {"lora_name": "x", "lora_path": "/nowhere"}, 404),
    ],
)
def test_bad_requests_have_one_clear_problem(http: httpx.Client, path: str, body: object, status: int) -> None:
    reply = http.post(path, json=body)
    assert reply.status_code == status, reply.text
    problem = reply.json()
    assert problem["detail"]
    assert problem["error"]
    assert reply.headers["content-type"] == "application/problem+json"


def test_history_with_turns_is_rendered_by_the_contract(http: httpx.Client) -> None:
    turn = Turn(thought="I look.", action="look", observation="Nothing.", completion_ids=[40, 41])
    history = HISTORY.model_copy(update={"turns": [turn]})
    body = {"turns": [{"history": history.model_dump(), "sampling": {"max_tokens": 1}}]}
    once = http.post("/v1/act", json=body).json()["results"][0]
    turn.completion_ids = None
    body = {"turns": [{"history": history.model_dump(), "sampling": {"max_tokens": 1}}]}
    rendered = http.post("/v1/act", json=body).json()["results"][0]
    assert rendered["prompt_tokens"] > once["prompt_tokens"]


def test_ids_that_are_no_tokens_have_a_problem_in_place_of_a_result(http: httpx.Client) -> None:
    turn = Turn(thought="I look.", action="look", observation="Nothing.", completion_ids=[2**31 - 1])
    odd = HISTORY.model_copy(update={"turns": [turn]})
    asked = [{"history": h.model_dump(), "sampling": {"max_tokens": 1}} for h in (odd, HISTORY)]
    refused, answered = http.post("/v1/act", json={"turns": asked}).json()["results"]
    assert refused["status"] == 422
    assert "token ids must be between" in refused["detail"]
    assert answered["completion_ids"]


def test_metrics_count_tokens_and_name_the_live_version(http: httpx.Client) -> None:
    def value(name: str) -> float:
        lines = [line for line in http.get("/metrics").text.splitlines() if line.startswith(name)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    written = f'a3t_policy_tokens_total{{kind="completion",model="{VERSION}"}}'
    before = value(written), value("a3t_policy_sequence_seconds_count")
    ask = {"model": VERSION, "prompt": "Observation: metrics", "max_tokens": 5, "temperature": 0}
    assert http.post("/v1/completions", json=ask).status_code == 200
    assert (value(written), value("a3t_policy_sequence_seconds_count")) == (before[0] + 5, before[1] + 1)
    live = next(m["id"] for m in http.get("/v1/models").json()["data"] if m["live"])
    assert value(f'a3t_policy_live_version{{model="{live}"}}') == 1
    assert value("a3t_policy_load") == 0
