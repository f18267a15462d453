"""The base model, its tokenizer, and the LoRA adapter that is trained on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from a3t_contracts.base_model import resolve_base_model
from a3t_contracts.errors import A3TError, InvalidInputError, NotFoundError
from a3t_contracts.nf4 import keep_compute_dtype
from a3t_contracts.registry import base_fingerprint
from a3t_contracts.safe_weights import check_base_files
from a3t_contracts.schemas import FineTuningJobCreate, LoraSettings
from a3t_contracts.schemas.adapter import AdapterManifest

from ..faults import full_disk
from .attention import attention_for
from .dora import give_directions
from .logprobs import install_logprobs
from .merged import merge_products

__all__ = ["check_parent", "load_base", "load_tokenizer", "with_adapter"]


def load_tokenizer(model: str) -> Any:
    """The base's tokenizer. Raises NotFoundError for a base that cannot be found."""
    try:
        return AutoTokenizer.from_pretrained(resolve_base_model(model))
    except (OSError, ValueError) as error:
        raise _unknown_base(model, error) from error


def load_base(request: FineTuningJobCreate) -> Any:
    """Load the base model with frozen weights, in the precision and with the attention that the job asks for.

    Raises NotFoundError for a base that does not exist or is not a causal language model, InvalidInputError if
    bitsandbytes is missing or the weights are not safetensors files.
    """
    folder, optimisation = resolve_base_model(request.model), request.optimisation
    check_base_files(folder)
    try:
        config = AutoConfig.from_pretrained(folder)
        limit = getattr(config, "max_position_embeddings", None)
        attention = attention_for(
            config, packing=optimisation.packing, max_length=min(optimisation.max_length, limit or 2**31)
        )
        model = AutoModelForCausalLM.from_pretrained(
            folder, config=config, attn_implementation=attention, use_safetensors=True, **_precision(request.lora)
        )
    except (OSError, ValueError) as error:
        raise _unknown_base(request.model, error) from error
    model.config.use_cache = False
    if request.lora.quantisation == "nf4":
        # Without peft's prepare_model_for_kbit_training, which makes norms, embeddings and head float32: what gradient
        # checkpointing stores would be float32, too, and the policy service computes them in the base's format.
        model = keep_compute_dtype(model)
    model.requires_grad_(False)
    install_logprobs(model)
    if optimisation.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()
    return model


def with_adapter(
    model: Any,
    lora: LoraSettings,
    parent: Path | None,
    seed: int,
    precision: Literal["highest", "medium"] = "highest",
) -> PeftModel:
    """Put a new adapter with seeded weights on the base, or the parent's adapter to continue from.

    `precision`: that of matrix products, see `Optimisation.matmul_precision`.
    """
    adapted = _adapter(model, lora, parent, seed)
    merge_products(adapted, lora, precision)
    return adapted


def _adapter(model: Any, lora: LoraSettings, parent: Path | None, seed: int) -> PeftModel:
    if parent is not None:
        return PeftModel.from_pretrained(model, str(parent), is_trainable=True)
    torch.manual_seed(seed)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules,
        use_dora=lora.use_dora,
        use_rslora=lora.use_rslora,
    )
    try:
        adapted = get_peft_model(model, config)
        give_directions(adapted)
        return adapted
    except ValueError as error:
        raise InvalidInputError(
            f"LoRA cannot be put on this base: {error}", hint="Check lora.target_modules against the base's layers."
        ) from error


def check_parent(request: FineTuningJobCreate, manifest: AdapterManifest, config: dict[str, Any]) -> None:
    """Raise InvalidInputError if a parent adapter does not fit the job.

    Args:
        manifest: the parent's manifest.
        config: the parent's adapter_config.json.
    """
    lora = request.lora
    if manifest.base_fingerprint != base_fingerprint(resolve_base_model(request.model)):
        raise InvalidInputError(
            f"Parent {manifest.version!r} was trained on the base {manifest.base_model}, not on {request.model}.",
            hint="Continue on the parent's base, or restart without a parent.",
        )
    wanted = {"r": lora.rank, "lora_alpha": lora.alpha, "use_dora": lora.use_dora, "use_rslora": lora.use_rslora}
    for name, value in wanted.items():
        if config.get(name, False if isinstance(value, bool) else None) != value:
            raise InvalidInputError(
                f"Parent {manifest.version!r} has {name} {config.get(name)}, but the job asks for {value}.",
                hint="Give the job the parent's LoRA settings, or restart without a parent.",
            )
    targets = lora.target_modules
    if targets != "all-linear" and set(targets) != set(manifest.target_modules):
        raise InvalidInputError(
            f"Parent {manifest.version!r} adapts {sorted(manifest.target_modules)}, but the job {sorted(targets)}.",
            hint="Give the job the parent's target_modules, or restart without a parent.",
        )


def _precision(lora: LoraSettings) -> dict[str, Any]:
    dtype = torch.bfloat16 if lora.dtype == "bfloat16" else torch.float32
    if lora.quantisation == "none":
        return {"dtype": dtype}
    cuda = torch.cuda.is_available()
    quantisation = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=lora.double_quantisation,
        bnb_4bit_compute_dtype=torch.bfloat16 if cuda else dtype,
    )
    return {"quantization_config": quantisation, "dtype": dtype, "device_map": {"": 0 if cuda else "cpu"}}


def _unknown_base(model: str, error: Exception) -> A3TError:
    if (full := full_disk(error)) is not None:
        return full
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return NotFoundError(
        f"The base model {model!r} cannot be loaded: {reason}",
        hint="Name a folder or hub id of a causal language model.",
    )
