"""Checks the settings of an adapter's `adapter_config.json`.

Only settings that the policy computes exactly as peft does are accepted. The check is a list of what is allowed, so
that a setting of a later peft version is refused until it is added here. A setting that is null, false, empty or at
peft's default is always accepted.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .errors import InvalidInputError
from .safe_weights import ADAPTER_CONFIG

__all__ = ["check_adapter_config", "read_adapter_config"]

_LARGEST_RANK = 65_536

_IGNORED = frozenset(
    {
        "peft_type",
        "base_model_name_or_path",
        "revision",
        "auto_mapping",
        "inference_mode",
        "peft_version",
        "lora_dropout",
        "fan_in_fan_out",
        "megatron_core",
        "qalora_group_size",
        "runtime_config",
        "loftq_config",
        "eva_config",
        "corda_config",
        "lora_ga_config",
    }
)
"""Settings that do not change what an adapter computes. They say where it comes from and how it was trained or
initialised, or are options of settings that are refused below. (peft itself corrects `fan_in_fan_out` to fit the kind
of layer.)"""

_NEUTRAL_INITS = ("gaussian", "orthogonal", "eva", "mica")
"""Initialisations that leave the weights of the base unchanged."""

_CONVERTIBLE_INITS = ("pissa", "olora", "corda", "lora_ga")
"""Initialisations that change the weights of the base: the adapter is only correct on the changed base."""

_CONVERT = (
    "Save it for the unchanged base: before training keep the initial adapter (save_pretrained), after it call "
    "save_pretrained(folder, path_initial_model_for_weight_conversion=<initial adapter>), which writes plain LoRA."
)
_TRAIN_PLAIN = "Train the adapter again without it."

_REFUSED: Mapping[str, tuple[str, str]] = {
    "bias": ("trained biases of the base's layers are not served", 'Train with bias="none".'),
    "modules_to_save": ("whole trained modules are not served", "Train LoRA matrices only."),
    "trainable_token_indices": ("trained embeddings of tokens are not served", "Train LoRA matrices only."),
    "layer_replication": ("it changes the layers of the base", "Serve the expanded model as a base of its own."),
    "target_parameters": ("LoRA on bare parameters is not served", "Name linear layers in target_modules."),
    "lora_bias": ("biases of LoRA's own layers are not served", "Train with lora_bias=False."),
    "alora_invocation_tokens": ("an activated LoRA, which begins in the middle of a text, is not served", _TRAIN_PLAIN),
    "use_qalora": ("QALoRA is not served", _TRAIN_PLAIN),
    "use_bdlora": ("block-diagonal LoRA is not served", _TRAIN_PLAIN),
    "arrow_config": ("Arrow routes between several adapters, which is not served", "Load the adapters as versions."),
    "kasa_config": ("KaSA changes the base's weights", _TRAIN_PLAIN),
    "monteclora_config": ("MonteCLoRA draws its weights at random, which is not served", _TRAIN_PLAIN),
    "velora_config": ("VeLoRA is not served", _TRAIN_PLAIN),
    "ensure_weight_tying": ("adapters of tied embeddings are not served", "Train LoRA on linear layers only."),
    "megatron_config": ("Megatron's parallel layers are not served", _TRAIN_PLAIN),
}


def read_adapter_config(folder: Path) -> dict[str, Any]:
    """Read and check the `adapter_config.json` of a folder. Raises InvalidInputError for a missing, broken or unserved
    one."""
    path = folder / ADAPTER_CONFIG
    try:
        config = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InvalidInputError(
            f"{folder} is no adapter folder: it has no {ADAPTER_CONFIG}.",
            hint="Name the folder that peft's save_pretrained(…) wrote.",
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"{path} cannot be read: {error}.", hint="Save the adapter again with peft's save_pretrained(…)."
        ) from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise InvalidInputError(
            f"{path} is not the config of a LoRA adapter (peft_type is not LORA).",
            hint="Train the adapter with peft's LoraConfig.",
        )
    check_adapter_config(config, str(path))
    return config


def check_adapter_config(config: Mapping[str, Any], where: str) -> None:
    """Check the settings. Raises InvalidInputError that names the first setting that is not served exactly and says
    what to do.

    Args:
        config: what peft writes to `adapter_config.json`.
        where: path of the file, for the error message.
    """
    for name, check in _SERVED.items():
        if (wanted := check(config.get(name))) is not None:
            raise InvalidInputError(
                f"{where}: {name} is {_short(config.get(name))}; it must be {wanted}.",
                hint="Train or save the adapter again with such a value.",
            )
    for name, value in config.items():
        if name in _SERVED or name in _IGNORED or _unset(name, value):
            continue
        reason, hint = _REFUSED.get(name, ("this setting is not known here", "Leave it at peft's default."))
        if name == "init_lora_weights":
            reason, hint = _initialisation(value)
        raise InvalidInputError(f"{where}: {name} is {_short(value)}: {reason}.", hint=hint)


def _unset(name: str, value: Any) -> bool:
    if name == "init_lora_weights":
        return value is None or isinstance(value, bool) or value in _NEUTRAL_INITS
    return value is None or value is False or value in ("", [], {}) or (name == "bias" and value == "none")


def _initialisation(value: Any) -> tuple[str, str]:
    if isinstance(value, str) and value.lower().startswith(_CONVERTIBLE_INITS):
        return "the adapter belongs to a base whose weights this initialisation changed", _CONVERT
    if value == "loftq":
        return "the adapter belongs to the base's weights as LoftQ quantised them", (
            "Save that quantised base as a base of its own, or train the adapter again without LoftQ."
        )
    return "this initialisation is not known here, and it may have changed the base", _TRAIN_PLAIN


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:79] + "…"


def _rank(value: Any) -> bool:
    return type(value) is int and 1 <= value <= _LARGEST_RANK


def _number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= 1e9 and math.isfinite(value)


def _regex(value: Any) -> bool:
    try:
        return isinstance(value, str) and re.compile(value) is not None
    except (re.error, RecursionError, OverflowError):
        return False


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _indices(value: Any) -> bool:
    whole = value if isinstance(value, list) else [value]
    return all(type(index) is int for index in whole)


def _pattern(value: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and all(_regex(key) and fits(item) for key, item in value.items())


def _must(fits: Callable[[Any], bool], wanted: str) -> Callable[[Any], str | None]:
    """Make a check that returns None for a value that is served, and otherwise `wanted`, which says what the value must
    be."""
    return lambda value: None if fits(value) else wanted


def _optional(fits: Callable[[Any], bool], wanted: str) -> Callable[[Any], str | None]:
    return _must(lambda value: value is None or fits(value), wanted)


_SERVED: Mapping[str, Callable[[Any], str | None]] = {
    "r": _must(_rank, f"a whole number from 1 to {_LARGEST_RANK}"),
    "lora_alpha": _must(_number, "a number"),
    "target_modules": _must(lambda v: bool(v) and (_names(v) or _regex(v)), "module names or a regular expression"),
    "exclude_modules": _optional(lambda v: _names(v) or _regex(v), "module names or a regular expression"),
    "layers_to_transform": _optional(_indices, "layer numbers"),
    "layers_pattern": _optional(
        lambda v: _regex(v) or (_names(v) and all(map(_regex, v))), "names of the base's lists of layers"
    ),
    "rank_pattern": _optional(lambda v: _pattern(v, _rank), "a rank for each pattern of module names"),
    "alpha_pattern": _optional(lambda v: _pattern(v, _number), "a number for each pattern of module names"),
    "use_rslora": _optional(lambda v: isinstance(v, bool), "true or false"),
    "use_dora": _optional(lambda v: isinstance(v, bool), "true or false"),
    "task_type": _optional(lambda v: v == "CAUSAL_LM", '"CAUSAL_LM": adapters of language models are served'),
}
