"""Several peft adapters on one base that is too large to copy; at most one is active in a pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft.tuners.lora import LoraLayer

from a3t_contracts.errors import UnavailableError
from a3t_contracts.logging import get_logger

from .adapters import Adapter, TargetNames, lora_layers, plain_errors, put_on, take_off

__all__ = ["SideBySide"]

log = get_logger(__name__)

_SAMPLES = 64
"""Values of each weight of the base that are compared before and after an adapter is put on it."""


class SideBySide:
    """The engine's thread alone uses it. Layers that carry no adapter are the base's own."""

    def __init__(self, base: Any) -> None:
        self.base = base
        self.names = TargetNames(base)
        self._layers: list[Any] = []
        self._active: str | None = None
        self._print = self._fingerprint()
        self._damage: str | None = None

    def attach(self, number: int, folder: Path) -> None:
        """Put an adapter beside the others. Whatever fails leaves the base and the others as they were.

        Raises InvalidInputError where the adapter does not fit; UnavailableError, now and from every pass after it,
        where the base's own weights were changed by it, which nothing but a restart undoes.
        """
        try:
            with plain_errors(folder):
                put_on(self.base, Adapter.read(folder, self.names), _name(number))
        except BaseException:
            take_off(self.base, _name(number))
            raise
        finally:
            self._settle()
        self._prove(folder)

    def remove(self, number: int) -> None:
        """Give up an adapter; nothing happens where it is not there."""
        take_off(self.base, _name(number))
        self._settle()

    def activate(self, number: int | None) -> Any:
        """The base with one adapter active, or with none. Raises UnavailableError where its weights are damaged."""
        if self._damage is not None:
            raise UnavailableError(self._damage, hint="Restart the policy service.")
        name = None if number is None else _name(number)
        if name != self._active:
            self._set(name)
        return self.base

    def _settle(self) -> None:
        """Take note of the layers after a change, with no adapter active."""
        self._layers = [layer for _, layer in lora_layers(self.base)]
        self._set(None)

    def _set(self, name: str | None) -> None:
        for layer in self._layers:
            layer.set_adapter([] if name is None else [name], inference_mode=True)
        self._active = name

    def _prove(self, folder: Path) -> None:
        if all(torch.equal(a, b) for a, b in zip(self._print, self._fingerprint(), strict=True)):
            return
        self._damage = f"Putting the adapter in {folder} on the base changed the base's own weights."
        log.error("base.changed", folder=str(folder))
        raise UnavailableError(self._damage, hint="Restart the policy service.")

    def _fingerprint(self) -> list[torch.Tensor]:
        """Some values of each of the base's weights, evenly spaced: little to compare, and no method that starts from
        the base's weights leaves them all as they were."""
        weights = []
        for name in self.names.all:
            module = self.base.get_submodule(name)
            module = module.get_base_layer() if isinstance(module, LoraLayer) else module
            weights += [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        return [w.detach().reshape(-1)[:: max(1, w.numel() // _SAMPLES)].clone() for w in weights]


def _name(number: int) -> str:
    return f"v{number}"
