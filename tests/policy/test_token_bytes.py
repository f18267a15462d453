"""The bytes of single tokens: those of a text's tokens, joined, are the text's."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from a3t_policy.text import TextCodec

TEXT = "Thought: I look.\nAction: go to shelf 1\n – ünïcødé 🧪 表 \t{}"


def sentencepiece_manner() -> TextCodec:
    """A tokenizer as Llama 2's and Mistral's: a mark for spaces, bytes for what the vocabulary lacks."""
    vocabulary = {"<unk>": 0, "</s>": 1} | {f"<0x{byte:02X}>": byte + 2 for byte in range(256)}
    for piece in ("▁", *"Thougtlk:.AcinesfI1", "▁go", "▁to"):
        vocabulary.setdefault(piece, len(vocabulary))
    merges = [("▁", "g"), ("▁g", "o"), ("▁", "t"), ("▁t", "o")]
    for left, right in merges:
        vocabulary.setdefault(left, len(vocabulary))
        vocabulary.setdefault(right, len(vocabulary))
        vocabulary.setdefault(left + right, len(vocabulary))
    raw = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    raw.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    raw.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return TextCodec(PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>", eos_token="</s>"))


def metaspace_manner() -> TextCodec:
    raw = Tokenizer(models.Unigram())
    raw.pre_tokenizer = pre_tokenizers.Metaspace()
    raw.decoder = decoders.Metaspace()
    raw.train_from_iterator([TEXT], trainers.UnigramTrainer(vocab_size=80, special_tokens=["<unk>"], unk_token="<unk>"))
    return TextCodec(PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>"))


def joined(codec: TextCodec, text: str) -> str:
    return b"".join(map(codec.token_bytes, codec.encode(text, add_special_tokens=False))).decode()


@given(text=st.text(max_size=40))
def test_byte_level_tokens_keep_every_byte(tiny_model: Path, text: str) -> None:
    codec = TextCodec.load(str(tiny_model))
    assert joined(codec, text) == text


@given(text=st.text(alphabet=st.characters(codec="utf-8", exclude_characters="▁"), max_size=40))
def test_byte_fallback_tokens_keep_every_byte_and_the_space_in_front(text: str) -> None:
    assume("</s>" not in text and "<unk>" not in text)  # these are tokens of their own, without the space
    assert joined(sentencepiece_manner(), text) == (f" {text}" if text else "")


def test_metaspace_tokens_keep_the_space_in_front() -> None:
    codec = metaspace_manner()
    assert joined(codec, "I look. Action: go to shelf 1") == " I look. Action: go to shelf 1"


@pytest.mark.parametrize("token", [0, 1, 2])
def test_special_tokens_are_their_names_and_unknown_ids_nothing(tiny_model: Path, token: int) -> None:
    codec = TextCodec.load(str(tiny_model))
    assert codec.token_text(token) == ["<pad>", "<s>", "</s>"][token]
    assert codec.token_bytes(10**6) == b""


def test_a_part_of_a_character_is_named_by_its_bytes(tiny_model: Path) -> None:
    codec = TextCodec.load(str(tiny_model))
    first, *rest = codec.encode("é", add_special_tokens=False)
    assert rest, "the tiny tokenizer has no token of its own for it"
    assert codec.token_name(first) == "bytes:\\xc3"
    assert codec.token_name(codec.encode("a", add_special_tokens=False)[0]) == "a"
