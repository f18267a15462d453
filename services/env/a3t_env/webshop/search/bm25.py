"""BM25 as in Lucene 9: single-precision term scores, summed in double precision; equal scores are ordered by ASIN."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from a3t_contracts.byte_cache import ByteCache
from a3t_contracts.errors import InvalidInputError

from ..columns import mapped
from .analysis import analyze

__all__ = ["MAX_TERMS", "Bm25Index", "Hit"]

MAX_TERMS = 1024
"""Largest number of distinct terms in a query; the original's engine fails above it."""

_SMALL = 500_000
_ROUNDING = 1e-6
_KEPT_BYTES = 8 * 2**20
"""Most bytes of query words and their numbers to keep in memory."""
Docs = npt.NDArray[np.uint32]
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hit:
    """A document and its score."""

    document: int
    score: float


@dataclass(frozen=True, slots=True)
class _Term:
    """A query term: its postings [start, end), weight (qtf · idf, float32) and the most it can add to a score."""

    start: int
    end: int
    weight: np.float32
    bound: float


class Bm25Index:
    """An index folder (see `writer`), mapped into memory. Thread-safe."""

    def __init__(self, folder: Path, tie_rank: npt.NDArray[np.uint32]) -> None:
        """Open an index. `tie_rank`: rank of each document among those with equal scores."""
        self._rank = tie_rank
        self._documents = len(tie_rank)
        self._text = mapped(folder / "terms.txt", np.uint8)
        self._offsets = mapped(folder / "terms.off", np.uint64)
        self._starts = mapped(folder / "post.start", np.uint64)
        self._docs = mapped(folder / "post.doc", np.uint32)
        self._tfs = mapped(folder / "post.tf", np.uint16)
        self._peaks = mapped(folder / "term.peak", np.float32)
        self._inverse = np.fromfile(folder / "doc.inv", np.float32)
        self._number: ByteCache[str, int | None] = ByteCache(_KEPT_BYTES, self._find)

    def search(self, query: str, k: int = 50) -> list[Hit]:
        """Return the `k` best documents that contain any of the query's terms, the best first.

        Raises InvalidInputError for more than MAX_TERMS distinct terms.
        """
        counts = Counter(analyze(query))
        if len(counts) > MAX_TERMS:
            raise InvalidInputError(f"The search has {len(counts)} different words; at most {MAX_TERMS} are allowed.")
        terms = [t for word, times in counts.items() if (t := self._term(word, times)) is not None]
        if not terms:
            return []
        if sum(t.end - t.start for t in terms) <= _SMALL:
            found, scores = self._all(terms)
        else:
            found, scores = self._pruned(terms, k)
        return self._best(found, scores, k)

    def _all(self, terms: list[_Term]) -> tuple[Docs, Scores]:
        """Scores of every document with a term."""
        sums = np.zeros(self._documents, np.float64)
        for term in terms:
            docs = self._docs[term.start : term.end]
            sums[docs] += self._scores(term, docs)
        found = np.flatnonzero(sums).astype(np.uint32)
        return found, sums[found]

    def _pruned(self, terms: list[_Term], k: int) -> tuple[Docs, Scores]:
        """Like `_all`, but only for the documents that can be among the best `k` (MaxScore algorithm).

        Rare terms come first. Once the remaining terms cannot lift a new document to rank k, they are only looked up
        for the remaining documents.
        """
        terms = sorted(terms, key=lambda t: -t.bound)
        to_come = [*np.cumsum([t.bound for t in reversed(terms)])[::-1].tolist(), 0.0]
        sums, threshold, used = np.zeros(self._documents, np.float64), 0.0, 0
        while used < len(terms) and threshold <= to_come[used] * (1 + _ROUNDING):
            term = terms[used]
            docs = self._docs[term.start : term.end]
            sums[docs] += self._scores(term, docs)
            used += 1
            # Scores only grow, so the k-th best among this term's documents is a lower bound of the k-th best of all.
            threshold = max(threshold, _kth(sums[docs], k))
        found = np.flatnonzero(sums).astype(np.uint32)
        scores = sums[found]
        for place in range(used, len(terms)):
            keep = scores + to_come[place] * (1 + _ROUNDING) >= threshold
            found, scores = found[keep], scores[keep]
            scores += self._looked_up(terms[place], found)
            threshold = max(threshold, _kth(scores, k))
        return found, scores

    def _scores(self, term: _Term, docs: Docs) -> npt.NDArray[np.float32]:
        tf = self._tfs[term.start : term.end].astype(np.float32)
        one = np.float32(1)
        return term.weight - term.weight / (one + tf * self._inverse[docs])

    def _looked_up(self, term: _Term, found: Docs) -> Scores:
        """The scores that a term adds to each of a few documents (ascending)."""
        docs = self._docs[term.start : term.end]
        places = np.minimum(np.searchsorted(docs, found), len(docs) - 1)
        hit = docs[places] == found
        tf = self._tfs[term.start : term.end][places].astype(np.float32)
        one = np.float32(1)
        added = term.weight - term.weight / (one + tf * self._inverse[found])
        return np.where(hit, added, np.float32(0)).astype(np.float64)

    def _best(self, found: Docs, sums: Scores, k: int) -> list[Hit]:
        scores = sums.astype(np.float32)
        if len(found) > k:
            keep = scores >= np.partition(scores, len(scores) - k)[len(scores) - k]
            found, scores = found[keep], scores[keep]
        order = np.lexsort((self._rank[found], -scores))[:k]
        return [Hit(int(found[i]), float(scores[i])) for i in order]

    def _term(self, word: str, times: int) -> _Term | None:
        number = self._number.get(word)
        if number is None:
            return None
        start, end = int(self._starts[number]), int(self._starts[number + 1])
        df = end - start
        idf = np.float32(np.log(1 + (self._documents - df + 0.5) / (df + 0.5)))
        weight = np.float32(times) * idf
        return _Term(start, end, weight, float(weight - weight / (1 + self._peaks[number])))

    def _find(self, word: str) -> int | None:
        """Number of a term, by binary search."""
        wanted, low, high = word.encode("utf-8", "surrogatepass"), 0, len(self._offsets) - 1
        while low < high:
            middle = (low + high) // 2
            here = self._text[int(self._offsets[middle]) : int(self._offsets[middle + 1])].tobytes()
            if here == wanted:
                return middle
            low, high = (middle + 1, high) if here < wanted else (low, middle)
        return None


def _kth(scores: npt.NDArray[np.float64], k: int) -> float:
    """The k-th greatest score; 0 if there are fewer than k scores."""
    return float(np.partition(scores, len(scores) - k)[len(scores) - k]) if len(scores) >= k else 0.0
