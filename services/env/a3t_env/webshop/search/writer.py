"""Builds the inverted index in bounded memory: writes sorted runs of postings, and merges them into files that can be
mapped into memory.

The folder of an index has these files:
    terms.txt, terms.off    terms in byte order, one after another, and where each begins
    post.start              where each term's postings begin (T + 1)
    post.doc, post.tf       document and frequency of each posting, documents ascending within a term
    term.peak               greatest tf · inverse length norm of each term, bounds its score
    doc.inv                 inverse length norm of each document (float32), as Lucene computes it
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .analysis import Analyzer

__all__ = ["IndexWriter", "decoded_length", "inverse_norms"]

K1, B = np.float32(0.9), np.float32(0.4)
_MAX_TF = 65535
_MERGE = 4_000_000
Array = npt.NDArray[np.generic]


def decoded_length(length: int) -> int:
    """A document's length as Lucene's single byte stores it: exact below 40, four leading bits above."""
    if length < 40:
        return length
    rest = length - 24
    shift = rest.bit_length() - 4
    return 24 + (rest >> shift << shift)


def inverse_norms(lengths: npt.NDArray[np.uint32], average: np.float32) -> npt.NDArray[np.float32]:
    """1 / (k1 · ((1 − b) + b · dl / avgdl)) in single precision."""
    kept, places = np.unique(lengths, return_inverse=True)
    decoded = np.array([decoded_length(int(n)) for n in kept], np.float32)
    return (np.float32(1) / (K1 * ((np.float32(1) - B) + B * decoded / average)))[places].astype(np.float32)


class IndexWriter:
    """Indexes documents in order, one run at a time; `finish` merges the runs. Finished runs survive a kill."""

    def __init__(self, folder: Path, analyzer: Analyzer | None = None) -> None:
        self.folder = folder
        self._analyzer = analyzer or Analyzer()
        self._ids: dict[str, int] = {}
        self._new: list[str] = []
        self._flat: list[int] = []
        self._lengths: list[int] = []

    def resume(self, terms: int) -> None:
        """Read the terms of earlier runs."""
        lines = (self.folder / "terms.seen").read_text("utf-8").split("\n")[:terms] if terms else []
        self._ids = {term: number for number, term in enumerate(lines)}
        (self.folder / "terms.seen").write_text("".join(f"{t}\n" for t in lines), "utf-8")

    @property
    def terms(self) -> int:
        """Number of distinct terms so far."""
        return len(self._ids)

    def add(self, text: str) -> None:
        """Index one document."""
        ids, flat = self._ids, self._flat
        terms = self._analyzer(text)
        for term in terms:
            number = ids.get(term)
            if number is None:
                number = ids[term] = len(ids)
                self._new.append(term)
            flat.append(number)
        self._lengths.append(len(terms))

    def flush(self, run: int, first_document: int) -> None:
        """Write the documents since the last flush as one run."""
        lengths = np.array(self._lengths, np.uint32)
        documents = np.repeat(np.arange(len(lengths), dtype=np.uint64), lengths)
        keys = (np.array(self._flat, np.uint64) << np.uint64(32)) | documents
        keys, counts = np.unique(keys, return_counts=True)
        np.savez(
            self.folder / f"run-{run:05d}.npz",
            term=(keys >> np.uint64(32)).astype(np.uint32),
            doc=(keys & np.uint64(0xFFFFFFFF)).astype(np.uint32) + np.uint32(first_document),
            tf=np.minimum(counts, _MAX_TF).astype(np.uint16),
            lengths=lengths,
        )
        with (self.folder / "terms.seen").open("a", encoding="utf-8") as file:
            file.writelines(f"{term}\n" for term in self._new)
        self._new, self._flat, self._lengths = [], [], []

    def finish(self, runs: int) -> dict[str, float]:
        """Merge the runs, and return the figures of the index. May be called again until `clean` is called."""
        frequencies, lengths = self._count(runs)
        order = self._write_terms()
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        average = np.float32(int(lengths.sum(dtype=np.uint64)) / len(lengths))
        inverse = inverse_norms(lengths, average)
        inverse.tofile(self.folder / "doc.inv")
        starts = np.concatenate(([0], np.cumsum(frequencies[order]))).astype(np.uint64)
        starts.tofile(self.folder / "post.start")
        self._merge(range(runs), starts, rank, inverse)
        return {"terms": len(order), "postings": int(starts[-1]), "average_length": float(average)}

    def clean(self) -> None:
        """Remove the runs. Call it once the files of `finish` are known to be complete."""
        for path in (*self.folder.glob("run-*.npz"), self.folder / "terms.seen"):
            path.unlink(missing_ok=True)

    def _count(self, runs: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
        """Count the documents of each term, and the terms of each document."""
        frequencies = np.zeros(len(self._ids), np.int64)
        lengths = []
        for run in range(runs):
            with np.load(self.folder / f"run-{run:05d}.npz") as data:
                frequencies += np.bincount(data["term"], minlength=len(self._ids))
                lengths.append(data["lengths"])
        return frequencies, np.concatenate(lengths)

    def _write_terms(self) -> npt.NDArray[np.int64]:
        """Write the terms in byte order; returns their first numbers in that order."""
        encoded = [term.encode("utf-8", "surrogatepass") for term in self._ids]
        order = sorted(range(len(encoded)), key=encoded.__getitem__)
        offsets = np.concatenate(([0], np.cumsum([len(encoded[i]) for i in order], dtype=np.uint64)))
        (self.folder / "terms.txt").write_bytes(b"".join(encoded[i] for i in order))
        offsets.astype(np.uint64).tofile(self.folder / "terms.off")
        return np.array(order, np.int64)

    def _merge(
        self,
        runs: Iterable[int],
        starts: npt.NDArray[np.uint64],
        rank: npt.NDArray[np.int64],
        inverse: npt.NDArray[np.float32],
    ) -> None:
        """Append the postings of every run to those of the earlier runs, term by term."""
        total = max(int(starts[-1]), 1)
        documents = np.memmap(self.folder / "post.doc", np.uint32, "w+", shape=(total,))
        tfs = np.memmap(self.folder / "post.tf", np.uint16, "w+", shape=(total,))
        peaks = np.zeros(max(len(rank), 1), np.float32)
        cursor = starts[:-1].astype(np.int64)
        for run in runs:
            with np.load(self.folder / f"run-{run:05d}.npz") as data:
                term, doc, tf = rank[data["term"]], data["doc"], data["tf"]
            first = np.flatnonzero(np.r_[True, term[1:] != term[:-1]]) if len(term) else np.zeros(0, np.int64)
            counts = np.diff(np.r_[first, len(term)])
            within = np.arange(len(term)) - np.repeat(first, counts)
            places = cursor[term] + within
            documents[places], tfs[places] = doc, tf
            cursor[term[first]] += counts
            np.maximum.at(peaks, term, tf.astype(np.float32) * inverse[doc])
        documents.flush()
        tfs.flush()
        peaks.tofile(self.folder / "term.peak")
