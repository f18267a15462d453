"""A page as the agent sees it: pieces of text in order, and what can be clicked.

The original renders HTML and extracts its text nodes again; here a page is built from those nodes directly.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

__all__ = ["Clickable", "Kind", "Node", "Page", "PageKind", "node"]

Kind = Literal["text", "button", "option", "product"]
PageKind = Literal["start", "results", "item", "sub", "done"]
_HTML_BLANKS = " \n\t\f\r"


class Node(NamedTuple):
    """A piece of visible text."""

    kind: Kind
    text: str


class Clickable(NamedTuple):
    """The effect of a click: a button or link of the page, or the choice of an option of a group."""

    kind: Kind
    group: str = ""
    product: int = -1


def node(text: str, kind: Kind = "text") -> Iterable[Node]:
    """The node that an HTML parser would make of a text. It makes none for an empty text and for white space with a
    line break, and one blank for other white space.
    """
    if text.strip(_HTML_BLANKS):
        return (Node(kind, text),)
    return (Node(kind, " "),) if text and "\n" not in text else ()


@dataclass(slots=True)
class Page:
    """One page. `clickables` are in the original's order: buttons, product links, options."""

    kind: PageKind
    url: str
    nodes: list[Node]
    clickables: dict[str, Clickable] = field(default_factory=dict)

    @property
    def has_search_bar(self) -> bool:
        """Whether the page shows a search bar."""
        return self.kind == "start"

    def text(self) -> str:
        """The page in the mode `text`: the stripped pieces, joined by ` [SEP] `."""
        return " [SEP] ".join(n.text.strip() for n in self.nodes)

    def rich(self, visited: Set[str]) -> str:
        """The page in the mode `text_rich`. Buttons are marked; chosen options and visited products (ASINs) are
        marked as clicked.
        """
        lines, notes = [], []
        for kind, text in self.nodes:
            if kind == "button":
                lines.append(f"[button] {text} [button_]\n")
            elif kind == "option":
                clicked = f'"{text}"' in self.url
                lines.append(f"  {_marked(text, clicked)}\n")
                if clicked:
                    notes.append(f"You have clicked {text}.\n")
            elif kind == "product":
                lines.append(f"\n{_marked(text, text in visited)}\n")
            else:
                lines.append(f"{text}\n")
        return "".join([*reversed(notes), *lines])


def _marked(text: str, clicked: bool) -> str:
    return f"[clicked button] {text} [clicked button_]" if clicked else f"[button] {text} [button_]"
