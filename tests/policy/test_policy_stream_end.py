"""Streams and details end where the text ends, and every token says what it is."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest

from a3t_policy.text import TextCodec

PROMPT = "Observation: You are in the middle of a room.\n"


@pytest.fixture
def http(policy: str, token: str) -> httpx.Client:
    return httpx.Client(base_url=policy, headers={"Authorization": f"Bearer {token}"}, timeout=60)


@pytest.fixture
def client(policy: str, token: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{policy}/v1", api_key=token, max_retries=0)


@pytest.fixture(scope="module")
def codec(tiny_model: Any) -> TextCodec:
    return TextCodec.load(str(tiny_model))


def ask(**changes: Any) -> dict[str, Any]:
    parameters: dict[str, Any] = {"max_new_tokens": 40, "details": True, "top_n_tokens": 3}
    return {"inputs": PROMPT, "parameters": parameters | {"do_sample": True, "seed": 5} | changes}


def streamed(http: httpx.Client, body: dict[str, Any]) -> list[dict[str, Any]]:
    lines = http.post("/generate_stream", json=body).text.splitlines()
    return [json.loads(line[5:]) for line in lines if line.startswith("data:")]


def stops(http: httpx.Client, seed: int) -> list[str]:
    """Stop strings that a sampled completion meets: inside a token, over a token's edge, a whole token."""
    tokens = http.post("/generate", json=ask(seed=seed)).json()["details"]["tokens"]
    text, long = "".join(t["text"] for t in tokens), [t["text"] for t in tokens if len(t["text"]) > 2]
    inside = [word[:-1] for word in long[:2]] + [word[1:-1] for word in long[:2]]
    return [s for s in {*inside, text[3:6], text[8:15], tokens[10]["text"]} if s]


@pytest.mark.parametrize("seed", [5, 6, 7, 8])
def test_tokens_joined_are_the_generated_text(http: httpx.Client, seed: int) -> None:
    for stop in (None, *stops(http, seed)):
        body = ask(seed=seed, stop=[stop] if stop else None)
        events = streamed(http, body)
        whole = http.post("/generate", json=body).json()
        text = whole["generated_text"]
        assert "".join(e["token"]["text"] for e in events) == events[-1]["generated_text"] == text
        assert "".join(t["text"] for t in whole["details"]["tokens"]) == text
        assert [e["token"]["id"] for e in events] == [t["id"] for t in whole["details"]["tokens"]]
        assert len(events) == whole["details"]["generated_tokens"]
        assert stop is None or text.endswith(stop)
        assert whole["details"]["finish_reason"] == ("stop_sequence" if stop else "length")


def test_the_prompt_in_front_of_the_text_is_no_token(http: httpx.Client) -> None:
    body = ask(return_full_text=True)
    events, whole = streamed(http, body), http.post("/generate", json=body).json()
    assert events[-1]["generated_text"] == whole["generated_text"]
    assert PROMPT + "".join(e["token"]["text"] for e in events) == whole["generated_text"]
    assert PROMPT + "".join(t["text"] for t in whole["details"]["tokens"]) == whole["generated_text"]


def test_top_tokens_have_texts_and_come_in_streams(http: httpx.Client, codec: TextCodec) -> None:
    events, whole = streamed(http, ask()), http.post("/generate", json=ask()).json()
    rows = whole["details"]["top_tokens"]
    assert [event["top_tokens"] for event in events] == rows
    assert all(len(row) == 3 for row in rows)
    assert all(top["text"] == codec.token_text(top["id"]) != "" for row in rows for top in row)
    assert all(row[0]["logprob"] >= row[1]["logprob"] >= row[2]["logprob"] for row in rows)
    assert "top_tokens" not in streamed(http, ask(top_n_tokens=None))[0]


def test_chat_log_probabilities_carry_each_tokens_own_bytes(client: openai.OpenAI, codec: TextCodec) -> None:
    done = client.chat.completions.create(
        model="tgi",
        messages=[{"role": "user", "content": "x"}],
        max_tokens=200,
        seed=1,
        logprobs=True,
        top_logprobs=4,
        extra_body={"return_token_ids": True, "ignore_eos": True},
    ).choices[0]
    assert done.logprobs is not None
    rows = done.logprobs.content or []
    assert [bytes(row.bytes or []) for row in rows] == [codec.token_bytes(i) for i in done.token_ids]  # type: ignore[attr-defined]
    partial = [row for row in rows if row.token.startswith("bytes:")]
    assert partial, "200 random tokens hold parts of characters"
    assert all(row.bytes and row.bytes[0] >= 0x80 for row in partial)
    assert all(len(row.top_logprobs) == 4 for row in rows)


@pytest.mark.parametrize("top", [0, 2])
def test_the_sampled_token_stands_beside_the_top_ones(client: openai.OpenAI, top: int) -> None:
    ask = {"model": None, "prompt": PROMPT, "max_tokens": 40, "temperature": 2.0, "seed": 3, "logprobs": top}
    whole = client.completions.create(**ask).choices[0]
    chunks = [c.choices[0] for c in client.completions.create(**ask, stream=True) if c.choices]
    given = whole.logprobs
    assert given is not None
    for token, logprob, row in zip(given.tokens, given.token_logprobs, given.top_logprobs, strict=True):
        assert row[token] == logprob
        assert top <= len(row) <= top + 1
    assert any(len(row) == top + 1 for row in given.top_logprobs)
    assert [t for c in chunks if c.logprobs for t in c.logprobs.tokens] == given.tokens
    assert [at for c in chunks if c.logprobs for at in c.logprobs.text_offset] == given.text_offset
    starts = zip(given.tokens, given.text_offset, strict=True)
    assert all(whole.text.startswith(token, at) for token, at in starts if not token.startswith(("bytes:", "<")))
