"""Whole requests of real clients: their own replies sent back, keys that say nothing, and the others by name."""

from __future__ import annotations

from typing import Any

import httpx
import httpx2
import openai
import pytest
from huggingface_hub import ChatCompletionOutputMessage, InferenceClient, set_client_factory
from openai.types.chat import ChatCompletionMessage

USER: dict[str, Any] = {"role": "user", "content": "You see a mug."}


@pytest.fixture
def client(policy: str, token: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{policy}/v1", api_key=token, max_retries=0)


@pytest.fixture
def tgi(policy: str, token: str) -> InferenceClient:
    set_client_factory(lambda: httpx2.Client(timeout=60))  # the Hub's own is refused by HF_HUB_OFFLINE
    return InferenceClient(policy, token=token)


@pytest.fixture
def http(policy: str, token: str) -> httpx.Client:
    return httpx.Client(base_url=policy, headers={"Authorization": f"Bearer {token}"}, timeout=60)


def said(client: openai.OpenAI, messages: list[Any], **changes: Any) -> ChatCompletionMessage:
    ask: dict[str, Any] = {"model": "tgi", "max_tokens": 6, "seed": 1, "messages": messages}
    return client.chat.completions.create(**ask | changes).choices[0].message


def streamed(client: openai.OpenAI) -> ChatCompletionMessage:
    """The message as the client's own accumulator puts it together."""
    with client.chat.completions.stream(model="tgi", max_tokens=6, seed=1, messages=[USER]) as stream:
        stream.until_done()
        return stream.current_completion_snapshot.choices[0].message


@pytest.mark.parametrize("how", ["object", "dump", "json", "unset left out", "streamed", "streamed dump"])
def test_a_reply_of_the_openai_client_is_sent_back(client: openai.OpenAI, how: str) -> None:
    reply = streamed(client) if how.startswith("streamed") else said(client, [USER])
    by_hand = {"role": "assistant", "content": reply.content}
    forms: dict[str, Any] = {
        "object": reply,
        "streamed": reply,
        "dump": reply.model_dump(),
        "streamed dump": reply.model_dump(),
        "json": reply.model_dump(mode="json"),
        "unset left out": reply.model_dump(exclude_unset=True),
    }
    assert said(client, [USER, forms[how], USER]).content == said(client, [USER, by_hand, USER]).content


def test_a_reply_of_huggingface_hubs_client_is_sent_back(tgi: InferenceClient) -> None:
    reply = tgi.chat_completion([USER], max_tokens=6, seed=1).choices[0].message
    assert isinstance(reply, ChatCompletionOutputMessage)
    parts = [c.choices[0].delta.content or "" for c in tgi.chat_completion([USER], max_tokens=6, seed=1, stream=True)]
    assert "".join(parts) == reply.content
    written_out = {"reasoning": None, "tool_call_id": None, "tool_calls": None} | reply
    hand = {"role": "assistant", "content": reply.content}
    again = [tgi.chat_completion([USER, m, USER], max_tokens=6, seed=1) for m in (reply, written_out, hand)]
    assert len({done.choices[0].message.content for done in again}) == 1


def test_a_completion_is_sent_back(client: openai.OpenAI, tgi: InferenceClient) -> None:
    base = client.models.list().data[0].id
    first = client.completions.create(model=base, prompt="Observation: x\n", max_tokens=6)
    again = client.completions.create(
        model=first.model, prompt="Observation: x\n" + first.choices[0].text, max_tokens=6
    )
    assert again.choices[0].finish_reason in ("length", "stop")
    text = tgi.text_generation("Observation: x\n", max_new_tokens=6)
    assert isinstance(tgi.text_generation("Observation: x\n" + text, max_new_tokens=6), str)


def test_text_parts_are_one_text(client: openai.OpenAI) -> None:
    parts = [{"type": "text", "text": "You see"}, {"type": "text", "text": " a mug.", "image_url": None}]
    assert said(client, [{"role": "user", "content": parts}]).content == said(client, [USER]).content


NEUTRAL = {
    "refusal": None,
    "annotations": [],
    "audio": None,
    "function_call": None,
    "tool_calls": [],
    "tool_call_id": None,
    "reasoning": "",
    "reasoning_content": None,
    "name": "agent",
    "a_key_of_tomorrow": None,
    "another": {},
}


@pytest.mark.parametrize("key", NEUTRAL)
def test_a_message_key_that_says_nothing_is_taken(http: httpx.Client, key: str) -> None:
    message = {"role": "assistant", "content": "x", key: NEUTRAL[key]}
    reply = http.post("/v1/chat/completions", json={"messages": [USER, message, USER], "max_tokens": 1})
    assert reply.status_code == 200, reply.text


ALIKE = {
    "presence_penalty": 0,
    "frequency_penalty": None,
    "logit_bias": {},
    "response_format": {"type": "text"},
    "n": None,
    "seed": None,
    "stop": None,
    "store": False,
    "metadata": {"run": "x"},
    "user": "me",
    "service_tier": "auto",
    "stream_options": None,
    "top_k": None,
    "ignore_eos": None,
    "a_key_of_tomorrow": None,
}
CHAT_ONLY = {
    "tools": [],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "functions": None,
    "function_call": "none",
    "reasoning_effort": None,
    "verbosity": "medium",
    "modalities": ["text"],
    "audio": None,
    "prediction": None,
    "web_search_options": None,
    "prompt_cache_key": "x",
    "safety_identifier": "x",
    "max_completion_tokens": None,
    "top_logprobs": None,
    "chat_template_kwargs": {},
}


@pytest.mark.parametrize("key", ALIKE | CHAT_ONLY)
def test_a_request_key_that_changes_nothing_is_taken(http: httpx.Client, key: str) -> None:
    value = (ALIKE | CHAT_ONLY)[key]
    reply = http.post("/v1/chat/completions", json={"messages": [USER], "max_tokens": 1, key: value})
    assert reply.status_code == 200, reply.text
    if key in ALIKE:
        reply = http.post("/v1/completions", json={"prompt": "x", "max_tokens": 1, key: value})
        assert reply.status_code == 200, reply.text


@pytest.mark.parametrize(
    ("body", "named", "what_to_do"),
    [
        ({"logit_bias": {"5": 1}}, "logit_bias", "Leave it out"),
        ({"presence_penalty": 0.5}, "presence_penalty", "Leave it out"),
        ({"response_format": {"type": "json_object"}}, "response_format", "say in the prompt"),
        ({"store": True}, "store", "keep the reply"),
        ({"service_tier": "flex"}, "service_tier", 'than "auto" or "default"'),
        ({"reasoning_effort": "high"}, "reasoning_effort", "no reasoning mode"),
        ({"functions": [{"name": "f"}]}, "functions", "tools"),
        ({"tool_choice": "required"}, "tool_choice", "Send auto or none"),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice", "Send auto or none"),
        ({"temprature": 1}, "temprature", "Check its spelling"),
        ({"messages": [{"role": "assistant", "refusal": "No."}]}, "refusal", "Send its text as content"),
        ({"messages": [{"role": "assistant", "function_call": {"name": "f"}}]}, "function_call", "tool_calls"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "image_url", "only parts of type text"),
        ({"messages": [{"role": "user", "content": "x", "mood": "glad"}]}, "mood", "Check its spelling"),
        ({"messages": [{"role": "user", "tool_calls": [{"function": {"name": "f"}}]}]}, "tool_calls", "assistant"),
        ({"stream_options": {"every": 2}}, "every", "Check its spelling"),
    ],
)
def test_what_is_not_served_is_refused_by_name(http: httpx.Client, body: Any, named: str, what_to_do: str) -> None:
    reply = http.post("/v1/chat/completions", json={"messages": [USER]} | body)
    assert reply.status_code == 422
    assert named in reply.json()["detail"]
    assert what_to_do in reply.json()["detail"]


def test_tgi_takes_keys_that_say_nothing_and_names_the_others(http: httpx.Client) -> None:
    neutral = {"best_of": 1, "grammar": None, "watermark": False, "typical_p": None, "a_key_of_tomorrow": None}
    taken = {"inputs": "x", "parameters": neutral | {"max_new_tokens": 1}, "stream": None, "model": None}
    assert http.post("/generate", json=taken).status_code == 200
    assert http.post("/generate", json={"inputs": "x", "parameters": None}).status_code == 200
    for name, value in {"grammar": {"type": "regex", "value": "x"}, "best_of": 2, "mood": 1}.items():
        reply = http.post("/generate", json={"inputs": "x", "parameters": {name: value}})
        assert reply.status_code == 422
        assert name in reply.json()["error"]
