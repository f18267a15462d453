"""Fixed phrases of the shop's pages, of reasons and of actions; and the words that a corpus shows."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence

__all__ = ["PHRASES", "common_words", "merges_of", "rare_words"]

_PAGES = [
    "Observation: WebShop [SEP] Instruction: [SEP] ",
    "Observation: Instruction: [SEP] ",
    " [SEP] Search\n",
    " [SEP] Back to Search [SEP] Page",
    " (Total results:",
    ") [SEP] Next > [SEP] ",
    ") [SEP] < Prev [SEP] Next > [SEP] ",
    ") [SEP] Next >\n",
    ") [SEP] < Prev [SEP] Next >\n",
    " [SEP] Back to Search [SEP] < Prev [SEP] ",
    " [SEP] Back to Search [SEP] < Prev\n",
    " [SEP] $",
    " [SEP] Price: $",
    " to $",
    " [SEP] Rating: N.A. [SEP] Description [SEP] Features [SEP] Reviews [SEP] Buy Now\n",
    " [SEP] ",
    "\n",
    "Observation: Thank you for shopping with us! [SEP] Your code: [SEP] None [SEP] "
    "(Paste it in your MTurk interface.) [SEP] Purchased [SEP] asin [SEP] ",
    " [SEP] options [SEP] ",
    " [SEP] attrs [SEP] None [SEP] category [SEP] None [SEP] query [SEP] None [SEP] product category [SEP] None [SEP] "
    "Target [SEP] asin [SEP] options [SEP] attrs [SEP] price upper [SEP] instuction text [SEP] category [SEP] product "
    "category [SEP] query [SEP] Goal [SEP] None [SEP] Reward [SEP] Your score (min 0.0, max 1.0) [SEP] ",
    " [SEP] Reward Details [SEP] None\n",
]

_TASKS = [
    ", and buy the first one",
    ", and open",
    ", and buy",
    ", and read the",
    ", and look around",
    ", and price lower than",
    " dollars",
    ", and open one",
]

_THOUGHTS = [
    "Thought:",
    "Thought: I need",
    ". I search for it",
    "Thought: I have not found",
    " yet. I search with other words",
    ". It may be what I need. I open it",
    ". It is here. I choose it",
    ". It is not here. I go back",
    " already. I choose it again",
    "Thought: I have",
    "Thought: I have chosen",
    ". The price is $",
    "Thought: The price is $",
    ". I buy it",
    ". Nothing is left to choose. I buy it",
    ", more than $",
    ". I go back",
    "Thought: None of these is what I need. I look at the next page",
    "Thought: This does not lead to what I need. I search again",
    "Thought: This is not what I need. I go back",
    "Thought: I compare it with the other results. I go back",
    "Thought: I have read enough. I go back",
    "Thought: The price and the options do not say everything. I read the",
    "Thought: I try something else: I choose",
    "Thought: I try something else:",
    " costs $",
    ". I try it all the same",
    "Thought: I do not have",
    ". I try to buy it all the same",
    " for $",
    " is ",
]

_ACTIONS = [f"{head}Action: {verb}[" for head in ("", "\n", ".\n") for verb in ("search", "click")] + [
    "click[",
    "search[",
    "]\n",
    "buy now",
    "< prev",
    "next >",
    "back to search",
]

PHRASES = list(dict.fromkeys(_PAGES + _TASKS + _THOUGHTS + _ACTIONS))
"""One token each. They begin and end where words begin and end."""

_WORD = re.compile(r"[A-Za-z]+")
_LEAST = 3
"""Number of texts in which a word must occur in small letters to be one token. Names of brands and models have
capitals.
"""


def common_words(texts: Iterable[str]) -> list[str]:
    """The words that are written in small letters in at least three of the texts, sorted."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update({word for word in _WORD.findall(text) if word.islower()})
    return sorted(word for word, count in counts.items() if count >= _LEAST)


def rare_words(texts: Iterable[str], common: Sequence[str]) -> list[str]:
    """The other words with more than one letter, as they are written, sorted."""
    known = frozenset(common)
    found = {word for text in texts for word in _WORD.findall(text)}
    return sorted(word for word in found if len(word) > 1 and word.lower() not in known and not word.isupper())


def merges_of(words: Iterable[str], count: int) -> list[tuple[str, str]]:
    """The first `count` merges of byte-pair encoding over some words of ASCII letters; ties in alphabetical order."""
    split = [list(word) for word in words]
    merges: list[tuple[str, str]] = []
    while len(merges) < count:
        pairs = Counter(pair for word in split for pair in itertools.pairwise(word))
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        split = [_merged(word, best) for word in split]
    return merges


def _merged(word: list[str], pair: tuple[str, str]) -> list[str]:
    joined: list[str] = []
    for piece in word:
        if joined and (joined[-1], piece) == pair:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined
