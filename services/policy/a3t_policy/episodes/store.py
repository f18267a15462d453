"""The recorded episodes of one policy service, in files that survive a restart.

`<id>.jsonl` has an episode: its opening, then its calls. `closed.jsonl` lists the closed episodes with their rewards,
in order; an episode counts as closed once it is in that list.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from a3t_contracts.errors import ConflictError, NotFoundError, OverloadedError, TooLargeError, UnavailableError
from a3t_contracts.files import write_atomically
from a3t_contracts.logging import get_logger
from a3t_contracts.schemas.recording import (
    EpisodeCreate,
    EpisodeReward,
    EpisodeState,
    RecordedEpisode,
    RecordedEpisodeInfo,
)

from ..generation import Generated
from .journal import Journal
from .limits import EpisodeLimits
from .rows import Closing, Opening, Row, StoredCall, calls_of, common_prefix

__all__ = ["EpisodeStore"]

_CLOSED = "closed.jsonl"
log = get_logger(__name__)


@dataclass(slots=True)
class _Episode:
    info: RecordedEpisodeInfo
    journal: Journal[Row]
    said: list[int] = field(default_factory=list)
    """Token ids of prompt and completion of the last call."""
    bytes: int = 0
    touched: float = field(default_factory=time.time)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class EpisodeStore:
    """Opens, records, closes and lists episodes. Used from one event loop; the disk is accessed in threads.

    Args:
        folder: created with the first episode; nobody else may write to it.
        limits: limits of what is kept.
    """

    def __init__(self, folder: Path, limits: EpisodeLimits | None = None) -> None:
        self._folder = folder
        self._limits = limits or EpisodeLimits()
        self._closings = Journal(folder / _CLOSED, Closing)
        self._episodes: dict[str, _Episode] = {}
        self._order: list[str] = []
        """The closed episodes that are kept, by number."""
        self._last = 0
        self._closing = asyncio.Lock()

    async def load(self) -> None:
        """Read the episodes of earlier processes."""
        await asyncio.to_thread(self._load)

    async def create(self, request: EpisodeCreate) -> RecordedEpisodeInfo:
        """Open an episode. Raises OverloadedError if too many are open, UnavailableError if the disk fails or is
        full."""
        await self._make_room()
        opening = Opening(**request.model_dump(), id=f"ep-{uuid.uuid4().hex}", opened_at=datetime.now(UTC))
        episode = _Episode(_info(opening), Journal(self._path(opening.id), Row))
        self._episodes[opening.id] = episode  # at once, so that it counts as open
        try:
            episode.bytes = await asyncio.to_thread(episode.journal.append, Row(opened=opening))
        except BaseException:
            self._episodes.pop(opening.id, None)
            raise
        return episode.info

    def writable(self, name: str) -> None:
        """Check that calls may be added to an episode. Raises NotFoundError for an unknown episode, ConflictError
        for a closed one, TooLargeError for a full one.
        """
        episode = self._open(name)
        if episode.bytes >= self._limits.bytes:
            raise TooLargeError(
                f"The episode {name} has reached its limit of {self._limits.bytes} bytes.",
                hint="Close it, or raise A3T_POLICY_EPISODE_MAX_BYTES.",
            )

    async def record(
        self, name: str, prompt: Sequence[int], done: Generated, text: Callable[[Sequence[int]], str]
    ) -> None:
        """Add a call. Raises NotFoundError or ConflictError if the episode was deleted or closed meanwhile."""
        async with self._open(name).lock:
            episode = self._open(name)
            continues = common_prefix(episode.said, prompt)
            call = StoredCall(
                continues=continues,
                new_ids=list(prompt[continues:]),
                observation=text(prompt[continues:]),
                completion=done.text,
                completion_ids=done.ids,
                logprobs=done.logprobs,
                finish_reason=done.finish_reason,
                model=done.model,
            )
            episode.bytes = await asyncio.to_thread(episode.journal.append, Row(call=call))
            episode.said = [*prompt, *(done.ids or ())]
            versions = list(dict.fromkeys([*episode.info.versions, done.model]))
            episode.info = episode.info.model_copy(update={"calls": episode.info.calls + 1, "versions": versions})
            episode.touched = time.time()

    async def close(self, name: str, reward: EpisodeReward) -> RecordedEpisodeInfo:
        """Close an episode with its reward. Repeating the call is not an error. Raises NotFoundError, and
        ConflictError for another reward.
        """
        async with self._closing, self._known(name).lock:
            episode = self._known(name)
            if episode.info.state == "closed":
                if (episode.info.reward, episode.info.success) != (reward.reward, reward.success):
                    raise ConflictError(
                        f"The episode {name} is closed with reward {episode.info.reward:g}.",
                        hint="A closed episode cannot change.",
                    )
                return episode.info
            closing = Closing(
                number=self._last + 1,
                id=name,
                reward=reward.reward,
                success=reward.success,
                closed_at=datetime.now(UTC),
            )
            await asyncio.to_thread(self._closings.append, closing)
            self._close(episode, closing)
        await self._forget_oldest()
        return episode.info

    async def drop(self, name: str) -> None:
        """Delete an open episode. An unknown episode is not an error. Raises ConflictError for a closed one."""
        if name in self._episodes:
            async with self._open(name).lock:
                if name in self._episodes:
                    self._open(name)
                    await self._remove(name)

    async def get(self, name: str) -> RecordedEpisode:
        """An episode with its calls. Raises NotFoundError."""
        async with self._known(name).lock:
            episode = self._known(name)
            rows = await asyncio.to_thread(Journal(episode.journal.path, Row).read)
            return RecordedEpisode(**episode.info.model_dump(), recorded=calls_of(rows))

    def listed(self, state: EpisodeState, after: int = 0) -> Iterator[RecordedEpisodeInfo]:
        """Yield the episodes in a state: closed ones by number, beginning after number `after`; open ones in the
        order of opening.
        """
        names = self._order if state == "closed" else list(self._episodes)
        for name in list(names):
            info = self._episodes[name].info
            if info.state == state and (info.number or 0) >= (after + 1 if state == "closed" else 0):
                yield info

    def _load(self) -> None:
        closings = self._closings.read(leave_out_damaged=True)
        self._last = max((closing.number for closing in closings), default=0)
        for path in sorted(self._folder.glob("ep-*.jsonl"), key=lambda path: path.stat().st_mtime):
            self._load_one(path)
        for closing in closings:
            if closing.id in self._episodes:
                self._close(self._episodes[closing.id], closing)
        if len(closings) > 2 * self._limits.kept:
            kept = (c for c in closings if c.id in self._episodes)
            write_atomically(self._closings.path, "".join(f"{c.model_dump_json()}\n" for c in kept))
            self._closings.read(leave_out_damaged=True)

    def _load_one(self, path: Path) -> None:
        journal = Journal(path, Row)
        try:
            rows = journal.read()
        except UnavailableError as error:
            log.warning("episode.unreadable", path=str(path), reason=str(error))
            return
        if not rows or rows[0].opened is None:
            path.unlink()  # the process was killed while it opened the episode, before it returned the id
            return
        calls = calls_of(rows)
        versions = list(dict.fromkeys(call.model for call in calls))
        info = _info(rows[0].opened).model_copy(update={"calls": len(calls), "versions": versions})
        said = [*calls[-1].prompt_ids, *(calls[-1].completion_ids or ())] if calls else []
        status = path.stat()
        self._episodes[info.id] = _Episode(info, journal, said, status.st_size, status.st_mtime)

    def _close(self, episode: _Episode, closing: Closing) -> None:
        told = closing.model_dump(exclude={"id"})
        episode.info = episode.info.model_copy(update={"state": "closed", **told})
        episode.said = []
        self._order.append(closing.id)
        self._last = max(self._last, closing.number)

    def _known(self, name: str) -> _Episode:
        episode = self._episodes.get(name)
        if episode is None:
            raise NotFoundError(
                f"There is no recorded episode {name[:80]!r}.", hint="POST /v1/episodes opens one and returns its id."
            )
        return episode

    def _open(self, name: str) -> _Episode:
        episode = self._known(name)
        if episode.info.state != "open":
            raise ConflictError(f"The episode {name} is closed.", hint="Open a new one with POST /v1/episodes.")
        return episode

    async def _make_room(self) -> None:
        opened = [e for e in self._episodes.values() if e.info.state == "open"]
        if len(opened) < self._limits.open:
            return
        idle = [e for e in opened if time.time() - e.touched > self._limits.idle_seconds]
        if not idle:
            raise OverloadedError(
                f"{len(opened)} episodes are open, which is the limit.",
                hint="Close some with a reward, DELETE them, or raise A3T_POLICY_EPISODES_OPEN.",
                retry_after=30.0,
            )
        for episode in idle:
            await self._remove(episode.info.id)

    async def _forget_oldest(self) -> None:
        while len(self._order) > self._limits.kept:
            await self._remove(self._order.pop(0))

    async def _remove(self, name: str) -> None:
        episode = self._episodes.pop(name, None)
        if episode is not None:
            await asyncio.to_thread(episode.journal.path.unlink, True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.jsonl"


def _info(opening: Opening) -> RecordedEpisodeInfo:
    return RecordedEpisodeInfo(**opening.model_dump(), state="open")
