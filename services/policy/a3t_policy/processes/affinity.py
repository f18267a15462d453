"""Sends each prompt to the process that has its beginning cached, unless that process has much more load than
others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

__all__ = ["Affinity"]

_BLOCK = 32
"""Tokens of a block. Beginnings of prompts are compared in whole blocks."""
_REMEMBERED = 65_536
"""Largest number of remembered blocks. The least recently used ones are forgotten first."""
_UNEVEN = 8
"""A process with this many sequences more than the least busy one gets no prompt because of its cache. Computing a
prompt again takes about as long as a few tokens of a full batch.
"""


class Affinity:
    """Remembers which process computed the blocks of earlier prompts. The choice never changes a result, only how
    much of the prompt is cached.
    """

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._remembered = remembered
        self._of: OrderedDict[int, int] = OrderedDict()

    def choose(self, prompt: Sequence[int], version: int, loads: Mapping[int, int]) -> int:
        """Choose the process for a prompt: one that has at least half of it cached, else the least busy one.

        Args:
            loads: process → its number of sequences, for the processes that accept work; not empty.
        """
        blocks = _blocks(prompt, version)
        least = min(loads, key=lambda process: (loads[process], process))
        chosen = least
        for count in range(len(blocks), 0, -1):
            known = self._of.get(blocks[count - 1])
            if known is None:
                continue
            even = known in loads and loads[known] - loads[least] < _UNEVEN
            if even and 2 * _BLOCK * count >= len(prompt):
                chosen = known
            break
        self._remember(blocks, chosen)
        return chosen

    def forget(self, process: int) -> None:
        """Record that a process has lost its cache."""
        for block in [block for block, of in self._of.items() if of == process]:
            del self._of[block]

    def _remember(self, blocks: list[int], process: int) -> None:
        for block in blocks:
            self._of[block] = process
            self._of.move_to_end(block)
        while len(self._of) > self._remembered:
            self._of.popitem(last=False)


def _blocks(prompt: Sequence[int], version: int) -> list[int]:
    """A hash for each whole block of a prompt, over all tokens up to the block's end."""
    found, before = [], version
    for start in range(0, len(prompt) - _BLOCK + 1, _BLOCK):
        before = hash((before, *prompt[start : start + _BLOCK]))
        found.append(before)
    return found
