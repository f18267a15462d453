"""Several peft adapters on one base that is too large to copy; at most one is active in a forward pass."""

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
"""Number of values of each weight of the base that are compared before and after an adapter is put on it."""


class SideBySide:
    """The adapters on a shared base. Used by the engine's thread. Layers without an adapter are the base's original
    layers.
    """

    def __init__(self, base: Any) -> None:
        self.base = base
        self.names = TargetNames(base)
        self._layers: list[Any] = []
        self._active: str | None = None
        self._print = self._fingerprint()
        self._damage: str | None = None

    def attach(self, number: int, folder: Path) -> None:
        """Put an adapter beside the others. A failure leaves the base and the other adapters unchanged.

        Raises InvalidInputError if the adapter does not fit. If the base's weights were changed, raises
        UnavailableError now and in every later pass; only a restart repairs this.
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
        """Remove an adapter. An unknown one is not an error."""
        take_off(self.base, _name(number))
        self._settle()

    def activate(self, number: int | None) -> Any:
        """The base with one adapter active, or none. Raises UnavailableError if the base's weights were changed."""
        if self._damage is not None:
            raise UnavailableError(self._damage, hint="Restart the policy service.")
        name = None if number is None else _name(number)
        if name != self._active:
            self._set(name)
        return self.base

    def _settle(self) -> None:
        """Record the layers after a change, with no adapter active."""
        self._layers = [layer for _, layer in lora_layers(self.base)]
        self._set(None)

    def _set(self, name: str | None) -> None:
        for layer in self._layers:
            layer.set_adapter([] if name is None else [name], inference_mode=True)
        self._active = name

    def _prove(self, folder: Path) -> None:
        if all(torch.equal(a, b) for a, b in zip(self._print, self._fingerprint(), strict=True)):
            return
        self._damage = f"Loading the adapter in {folder} changed the weights of the base."
        log.error("base.changed", folder=str(folder))
        raise UnavailableError(self._damage, hint="Restart the policy service.")

    def _fingerprint(self) -> list[torch.Tensor]:
        """Some values of each of the base's weights, evenly spaced. Comparing them is cheap, and every method that
        starts from the base's weights changes at least one."""
        weights = []
        for name in self.names.all:
            module = self.base.get_submodule(name)
            module = module.get_base_layer() if isinstance(module, LoraLayer) else module
            weights += [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        return [w.detach().reshape(-1)[:: max(1, w.numel() // _SAMPLES)].clone() for w in weights]


def _name(number: int) -> str:
    return f"v{number}"
