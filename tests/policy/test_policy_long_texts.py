"""Long texts: refused by their length where that is enough, encoded beside the event loop otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import psutil
import pytest
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer

from a3t_contracts.errors import TooLargeError
from a3t_policy.text import TextCodec
from a3t_policy.token_length import longest_token


@pytest.fixture
def codec(tiny_model: Path) -> TextCodec:
    return TextCodec.load(str(tiny_model))


def byte_level(**changes: object) -> Tokenizer:
    """A tokenizer of single bytes and one long token."""
    vocabulary = {char: n for n, char in enumerate([*sorted(pre_tokenizers.ByteLevel.alphabet()), "abab"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for name, value in changes.items():
        setattr(tokenizer, name, value)
    return tokenizer


def test_the_length_of_the_longest_token_is_known_where_a_tokenizer_keeps_everything() -> None:
    assert longest_token(byte_level()) == 4
    replaced = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    assert longest_token(byte_level(normalizer=replaced)) == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"normalizer": normalizers.Strip()},
        {"normalizer": normalizers.NFKC()},
        {"normalizer": normalizers.Replace("  ", " ")},
        {"pre_tokenizer": pre_tokenizers.Whitespace()},
        {"pre_tokenizer": pre_tokenizers.Split(" ", "removed")},
        {"model": models.WordLevel({"a": 0, "?": 1}, unk_token="?")},
        {"model": models.BPE({"a": 0, "?": 1}, [], unk_token="?", fuse_unk=True)},
    ],
)
def test_nothing_is_concluded_where_text_may_vanish(changes: dict[str, object]) -> None:
    assert longest_token(byte_level(**changes)) is None


def test_nothing_is_concluded_of_tokens_that_swallow_blanks() -> None:
    tokenizer = byte_level()
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    assert longest_token(tokenizer) is None


@pytest.mark.parametrize("text", ["abc " * 500, "é漢" * 300, " " * 900, "\x00\n" * 400, "<s></s>" * 100])
def test_no_text_has_fewer_tokens_than_its_length_says(codec: TextCodec, text: str) -> None:
    longest = longest_token(codec.raw)
    assert longest is not None
    assert len(codec.encode(text, add_special_tokens=False)) >= len(text.encode()) / longest >= len(text) / longest


def test_what_cannot_fit_is_refused_before_it_is_encoded(codec: TextCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    codec.context = 16
    monkeypatch.setattr(codec, "raw", None)  # nothing can be encoded
    with pytest.raises(TooLargeError, match="together may have 16"):
        codec.prompt("a" * 100_000)
    with pytest.raises(TooLargeError):
        codec.rendered("a" * 100_000)


def test_ids_are_those_of_the_tokenizer(codec: TextCodec, tiny_model: Path) -> None:
    plain = AutoTokenizer.from_pretrained(tiny_model)
    for text in ("", "Observation: a shelf 1.\n", "é漢\x00 \n\n", "<s>Thought:"):
        assert codec.encode(text, add_special_tokens=False) == plain.encode(text, add_special_tokens=False)


def test_the_cache_of_texts_is_bounded_by_bytes(codec: TextCodec) -> None:
    for n in range(200):
        codec.encode(f"{n} " + "x" * 100_000, add_special_tokens=False)
    for n in range(3000):
        codec.encode(f"{n} cabinet " * 40, add_special_tokens=False)
    assert 2**20 < codec.cached_bytes <= 32 * 2**20


@pytest.mark.parametrize("count", [1, 8, 500])
def test_the_end_of_a_prompt_is_that_of_the_whole(codec: TextCodec, count: int) -> None:
    lines = [f"Observation: On shelf {n}, you see a mug {n % 7}.\nAction: go to desk é漢 {n}\n" for n in range(999)]
    for text in ("".join(lines), "x" * 50_000, " \n" * 20_000 + "go", "short", "漢" * 10_000):
        assert codec.prompt_end(text, count) == codec.prompt(text)[-count:]


def test_the_end_of_a_huge_prompt_takes_little_memory(codec: TextCodec) -> None:
    process = psutil.Process()
    codec.prompt_end("You see a mug 1. " * 1000, 8)
    before = process.memory_info().rss
    huge = "You see a cabinet 1 and a mug 2. " * 500_000
    assert codec.prompt_end(huge, 8) == codec.prompt_end(huge[-10_000:], 8)
    assert process.memory_info().rss - before < 2 * len(huge)


def test_a_prompt_that_cannot_fit_is_413_in_every_api(policy: str, token: str) -> None:
    long = "a cabinet 1 " * 100_000
    history = {"environment": "alfworld", "observation": long}
    calls = {
        "/v1/completions": {"prompt": long},
        "/v1/chat/completions": {"messages": [{"role": "user", "content": long}]},
        "/generate": {"inputs": long},
    }
    with httpx.Client(base_url=policy, headers={"Authorization": f"Bearer {token}"}, timeout=60) as http:
        for path, body in calls.items():
            reply = http.post(path, json=body)
            assert (reply.status_code, "together may have" in reply.json()["detail"]) == (413, True), path
        short = {"environment": "alfworld", "observation": "A room."}
        turns = [{"history": h, "sampling": {"max_tokens": 2}} for h in (history, short)]
        results = http.post("/v1/act", json={"turns": turns}).json()["results"]
        assert results[0]["status"] == 413
        assert results[1]["prompt_tokens"] > 0
        cut = http.post("/generate", json={"inputs": long, "parameters": {"truncate": 8, "details": True}})
        assert cut.json()["details"]["input_length"] == 8


def test_a_long_body_is_answered_as_a_short_one(policy: str, token: str) -> None:
    padding = {"metadata": {f"k{n}": "x" * 1000 for n in range(100)}}
    with httpx.Client(base_url=policy, headers={"Authorization": f"Bearer {token}"}, timeout=60) as http:
        ask = {"prompt": "Observation: a", "temperature": 0, "max_tokens": 3}
        short, long = http.post("/v1/completions", json=ask), http.post("/v1/completions", json=ask | padding)
        assert short.json()["choices"] == long.json()["choices"]
        wrong = http.post("/v1/completions", json=ask | padding | {"max_tokens": "many"})
        assert (wrong.status_code, wrong.json()["detail"].partition(":")[0]) == (422, "body.max_tokens")
        broken = http.post(
            "/v1/completions",
            content=json.dumps(ask | padding)[:-1],
            headers={"Content-Type": "application/json"},
        )
        assert broken.status_code == 422
        odd = http.post("/v1/completions", json=ask | {f"odd{n}": n for n in range(20_000)})
        assert odd.status_code == 422
