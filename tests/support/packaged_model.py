"""A package with a tiny GGUF model in it, as a wheel in a folder that uv is told of."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import gguf
import numpy as np

from a3t_models import Packaged

__all__ = ["write_package"]

_HIDDEN, _LAYERS, _HEADS, _INNER = 32, 1, 2, 64
_TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"


def write_package(folder: Path, name: str = "a3t/pocket") -> Packaged:
    """Write the wheel; the entry that `a3t models fetch` needs."""
    file = folder / "pocket.gguf"
    _write_gguf(file)
    data = file.read_bytes()
    record = "a3t_pocket_test_model-1.0.dist-info"
    with zipfile.ZipFile(folder / "a3t_pocket_test_model-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("a3t_pocket/pocket.gguf", data)
        wheel.writestr(f"{record}/METADATA", "Metadata-Version: 2.1\nName: a3t-pocket-test-model\nVersion: 1.0\n")
        wheel.writestr(f"{record}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{record}/RECORD", "")
    return Packaged(
        name=name,
        package="a3t-pocket-test-model",
        version="1.0",
        member="a3t_pocket/pocket.gguf",
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        licence="mit",
        about="for tests",
    )


def _write_gguf(file: Path) -> None:
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *map(chr, range(33, 127)), "Ġ", "Ċ", "!!"]
    writer = gguf.GGUFWriter(str(file), "llama")
    writer.add_context_length(256)
    writer.add_embedding_length(_HIDDEN)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(_HIDDEN // _HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 3, *[1] * (len(tokens) - 3)])
    writer.add_token_merges(["! !"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(_TEMPLATE)
    rng = np.random.default_rng(0)
    for name, shape in _shapes(len(tokens)).items():
        values = np.ones(shape) if "norm" in name else rng.normal(0, 0.05, shape)
        writer.add_tensor(name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _shapes(vocabulary: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (vocabulary, _HIDDEN), "output_norm.weight": (_HIDDEN,)}
    for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
        shapes[f"blk.0.{part}.weight"] = (_HIDDEN, _HIDDEN)
    for part in ("ffn_gate", "ffn_up"):
        shapes[f"blk.0.{part}.weight"] = (_INNER, _HIDDEN)
    shapes["blk.0.ffn_down.weight"] = (_HIDDEN, _INNER)
    return shapes | {"blk.0.attn_norm.weight": (_HIDDEN,), "blk.0.ffn_norm.weight": (_HIDDEN,)}
