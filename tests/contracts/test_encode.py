"""Token ids of rendered episodes: prompts are prefixes of episodes, generated ids stay as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, processors
from transformers import PreTrainedTokenizerFast

from a3t_contracts.react import History, Segment, Turn, encode_segments, leading_bos, render_history


@pytest.fixture(scope="module")
def plain(tiny_model: Path) -> PreTrainedTokenizerFast:
    """A tokenizer that has a BOS token and does not put it in front of texts."""
    return PreTrainedTokenizerFast.from_pretrained(tiny_model)


@pytest.fixture(scope="module")
def with_bos(tiny_model: Path) -> PreTrainedTokenizerFast:
    """A tokenizer that puts BOS in front, as Llama's and Mistral's do."""
    raw = Tokenizer.from_file(str(tiny_model / "tokenizer.json"))
    raw.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>", pad_token="<pad>")


def _history(turns: int, ids: list[int] | None = None) -> History:
    done = [
        Turn(thought="I look.", action=f"go to cabinet {n}", observation="Nothing.", completion_ids=ids)
        for n in range(turns)
    ]
    return History(environment="alfworld", observation="You are in a room.", turns=done, preamble="Solve it.")


def test_each_segment_is_encoded_on_its_own(plain: PreTrainedTokenizerFast) -> None:
    segments = render_history(_history(2))
    episode = encode_segments(plain, segments)
    expected = [i for s in segments for i in plain.encode(s.text, add_special_tokens=False)]
    assert episode.ids == expected
    assert len(episode) == len(episode.kinds) == len(episode.segment_of)
    assert [s for n, s in enumerate(episode.segment_of) if n == 0 or episode.segment_of[n - 1] != s] == list(
        range(len(segments))
    )
    assert {episode.kinds[n] for n, s in enumerate(episode.segment_of) if s == 2} == {"completion"}


def test_generated_ids_are_used_as_they_are(plain: PreTrainedTokenizerFast) -> None:
    odd = [5, 6, 7, 8]  # not what the text would encode to
    episode = encode_segments(plain, render_history(_history(1, odd)))
    assert [i for i, kind in zip(episode.ids, episode.kinds, strict=True) if kind == "completion"] == odd


def test_a_prompt_is_a_prefix_of_the_episode(with_bos: PreTrainedTokenizerFast) -> None:
    whole = encode_segments(with_bos, render_history(_history(4))).ids
    for turns in range(4):
        prompt = encode_segments(with_bos, render_history(_history(turns))).ids
        assert whole[: len(prompt)] == prompt


def test_bos_comes_once_where_the_base_wants_it(
    plain: PreTrainedTokenizerFast, with_bos: PreTrainedTokenizerFast
) -> None:
    assert leading_bos(plain) == []
    assert leading_bos(with_bos) == [1]
    episode = encode_segments(with_bos, render_history(_history(3)))
    assert episode.ids.count(1) == 1
    assert (episode.ids[0], episode.kinds[0], episode.segment_of[0]) == (1, "bos", -1)


def test_a_tokenizer_without_bos_gives_none(tiny_model: Path) -> None:
    bare = PreTrainedTokenizerFast(tokenizer_file=str(tiny_model / "tokenizer.json"))
    assert bare.bos_token_id is None
    assert leading_bos(bare) == []


@given(texts=st.lists(st.text(max_size=40), max_size=6))
def test_text_comes_back_from_the_ids(plain: PreTrainedTokenizerFast, texts: list[str]) -> None:
    episode = encode_segments(plain, [Segment("observation", text) for text in texts])
    assert plain.decode(episode.ids) == "".join(texts)
