"""Collects the faults of many inputs, so that one error names all of them and not only the first."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import A3TError, InvalidInputError

__all__ = ["Faults"]

_NAMED = 1000


class Faults:
    """Collects faults while the remaining inputs are still checked.

    Args:
        named: largest number of faults whose texts are kept; further ones are only counted.
        texts: texts of faults that were found before.
        count: number of faults that were found before.
    """

    def __init__(self, named: int = _NAMED, texts: Sequence[str] = (), count: int = 0) -> None:
        self.texts, self.count = list(texts), count
        self._named = named

    def __bool__(self) -> bool:
        return self.count > 0

    def add(self, fault: A3TError | str) -> None:
        """Add a fault."""
        self.count += 1
        if len(self.texts) < self._named:
            self.texts.append(str(fault))

    def lines(self) -> list[str]:
        """Return one line for each kept fault, and one with the number of the others."""
        others = self.count - len(self.texts)
        return [*self.texts, *([f"{others} more."] if others else [])]

    def error(self, summary: str, hint: str | None = None) -> InvalidInputError:
        """Make the error to raise. With one fault its text alone, otherwise the summary and a line for each fault.

        Args:
            summary: what is wrong, e.g. "3 of 140 games are broken".
            hint: what to do about them.
        """
        detail = self.lines()[0] if self.count == 1 else "\n".join([f"{summary}:", *self.lines()])
        return InvalidInputError(detail, hint=hint and (hint if self.count == 1 else f"\n{hint}"))
