"""The engine thread: admits, computes and finishes sequences of all versions, step by step."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from itertools import groupby
from typing import Any, TypeVar

import torch

from a3t_contracts.errors import A3TError, DeadlineError, OverloadedError, TooLargeError, UnavailableError
from a3t_contracts.logging import get_logger

from ..generation import Delta, Generation
from ..text import TextCodec
from .failures import Failures
from .flat import Chunk
from .isolate import isolate
from .runner import Runner
from .sampling import Chosen, TokenRandom, choose
from .schedule import Part, passes
from .sequence import News, Sequence, Ticket, token_row
from .slots import SlotPool
from .stopping import TextTail

__all__ = ["Engine", "EngineLimits"]

T = TypeVar("T")
log = get_logger(__name__)


class EngineLimits:
    """Limits of one engine."""

    def __init__(self, batch: int, queue: int, prefill_tokens: int, seconds: float) -> None:
        self.batch, self.queue, self.prefill_tokens, self.seconds = batch, queue, prefill_tokens, seconds


class Engine:
    """Continuous batching over a pool of KV slots.

    Each step computes at most `prefill_tokens` tokens of new prompts and one token for each running sequence. Sequences
    of several versions run in the same step, each version in separate forward passes (`schedule.passes`).
    """

    def __init__(self, runner: Runner, codec: TextCodec, limits: EngineLimits, stop_ids: frozenset[int]) -> None:
        self.runner, self.codec, self.limits, self.stop_ids = runner, codec, limits, stop_ids
        self.pool: SlotPool = runner.pool
        self._inbox: queue.SimpleQueue[Sequence | Callable[[], None] | None] = queue.SimpleQueue()
        self._waiting: deque[Sequence] = deque()
        self._running: list[Sequence] = []
        self._outbox: list[tuple[Ticket, News]] = []
        self._failures = Failures()
        self._thread = threading.Thread(target=self._main, name="a3t-policy-engine", daemon=True)
        self._stopping = False
        self.load = 0
        """Number of submitted sequences that have not ended."""
        self.tokens = 0
        self.on_over: Callable[[Sequence], None] = lambda _: None
        """Called on the event loop's thread when a sequence has ended."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the current step, fail the remaining sequences, and end the thread."""
        self._inbox.put(None)
        self._thread.join(timeout=60)

    def admit(self, count: int) -> None:
        """Raise OverloadedError if there is no room for `count` more sequences now, UnavailableError if the engine has
        stopped."""
        if self._stopping:
            raise UnavailableError("The inference engine has stopped.", hint="Restart the policy service.")
        if self.load + count > self.limits.batch + self.limits.queue:
            raise OverloadedError(f"{self.load} sequences are running or waiting.", hint="Try again later.")

    @property
    def running(self) -> list[Sequence]:
        """The sequences that the engine computes now."""
        return self._running

    def submit(self, generation: Generation, version: int, name: str, streaming: bool) -> tuple[Sequence, Ticket]:
        """Queue a sequence. Called from the event loop.

        Raises TooLargeError for a sequence that can never fit, InvalidInputError for ids that are not in the
        vocabulary, and the errors of `admit`.
        """
        self.admit(1)
        self.codec.check(generation.prompt_ids)
        tokens, context = len(generation.prompt_ids), self.pool.context
        if tokens >= context:
            raise TooLargeError(
                f"The prompt has {tokens} tokens; prompt and completion together may have {context}.",
                hint="Shorten it, or raise A3T_POLICY_MAX_CONTEXT if the model allows it.",
            )
        ticket = Ticket(asyncio.get_running_loop(), streaming)
        sequence = Sequence(
            generation=generation,
            version=version,
            version_name=name,
            ticket=ticket,
            tail=TextTail(self.codec, generation.stop, generation.act),
            random=TokenRandom(generation.sampling.seed),
            stop_ids=self.stop_ids,
        )
        self.load += 1
        self._inbox.put(sequence)
        return sequence, ticket

    def between_steps(self, work: Callable[[], T]) -> Future[T]:
        """Call a function on the engine's thread while no forward pass runs."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)

        self._inbox.put(run)
        return future

    def _main(self) -> None:
        try:
            with torch.inference_mode():
                while self._receive():
                    self._guarded_step()
                    self._flush()
        except BaseException:
            log.exception("engine.died")
        self._stopping = True
        self._fail_all()

    def _guarded_step(self) -> None:
        """Run a step. A failure that no single sequence causes (see `_failed`) ends the running sequences, or the
        next one if none runs. Waiting sequences continue.
        """
        try:
            self._step()
        except Exception:
            log.exception("engine.step_failed", running=len(self._running))
            error = A3TError("The inference engine failed in this step; the service's log has the reason.")
            if not self._running and self._waiting:
                self._running = [self._waiting.popleft()]
            for sequence in self._running:
                if sequence.finish_reason is None:
                    self._end(sequence, error)
            self._running = []
            self.pool.forget()
        self._failures.log()

    def _receive(self) -> bool:
        """Take new sequences and requests from the queue, waiting only if there is nothing to compute. Returns false
        when the engine must stop.
        """
        while True:
            try:
                item = self._inbox.get(block=not (self._waiting or self._running))
            except queue.Empty:
                return True
            if item is None:
                return False
            if isinstance(item, Sequence):
                self._waiting.append(item)
                if self._inbox.empty():
                    return True
            else:
                item()

    def _step(self) -> None:
        self._drop_lost()
        self._admit()
        for version, group in groupby(sorted(self._running, key=lambda s: s.version), key=lambda s: s.version):
            for parts in passes(list(group), self.limits.prefill_tokens, flat=self.runner.flat):
                self._advance(version, parts)
        self._running = [s for s in self._running if s.finish_reason is None]

    def _drop_lost(self) -> None:
        oldest = time.monotonic() - self.limits.seconds
        for sequence in (*self._waiting, *self._running):
            if sequence.ticket.cancelled:
                self._end(sequence, None)
            elif sequence.submitted < oldest:
                self._end(
                    sequence,
                    DeadlineError(
                        f"The sequence was not finished within {self.limits.seconds:g} s.",
                        hint="Ask for fewer tokens, or raise A3T_POLICY_REQUEST_SECONDS.",
                    ),
                )
        self._waiting = deque(s for s in self._waiting if s.finish_reason is None)
        self._running = [s for s in self._running if s.finish_reason is None]

    def _admit(self) -> None:
        while self._waiting and len(self._running) < self.limits.batch:
            sequence = self._waiting[0]
            try:
                place = self.pool.acquire(sequence.generation.prompt_ids, sequence.version)
            except Exception as error:
                self._failed(self._waiting.popleft(), error)
                continue
            if place is None:
                return
            sequence.slot, sequence.done = place
            sequence.cached = sequence.done
            self._running.append(self._waiting.popleft())

    def _advance(self, version: int, parts: list[Part]) -> None:
        """Compute the parts in one pass. A sequence that fails ends alone."""
        isolate(parts, lambda some: self._compute(version, some), lambda part, error: self._failed(part[0], error))

    def _compute(self, version: int, parts: Iterable[Part]) -> None:
        """One forward pass. Sequences only change after the pass and the choice of tokens have succeeded."""
        chunks = [(s, Chunk(s.slot, s.done, s.pending(count))) for s, count in parts]
        logits = self.runner.forward(version, [chunk for _, chunk in chunks])
        ready = [n for n, (s, c) in enumerate(chunks) if s.done + len(c.tokens) >= len(s.generation.prompt_ids)]
        chosen = self._choose([chunks[n][0] for n in ready], logits if len(ready) == len(chunks) else logits[ready])
        for sequence, chunk in chunks:
            self.pool.extend(sequence.slot, chunk.tokens)
            sequence.done += len(chunk.tokens)
        for row, n in enumerate(ready):
            try:
                self._take(chunks[n][0], chosen, row)
            except Exception as error:
                self._failed(chunks[n][0], error)

    def _choose(self, members: list[Sequence], logits: torch.Tensor) -> Chosen:
        if not members:
            return Chosen([], [], None)
        top = max(s.generation.top_logprobs for s in members)
        return choose(logits, [s.generation.sampling for s in members], [s.random for s in members], top)

    def _take(self, sequence: Sequence, chosen: Chosen, row: int) -> None:
        """Add a token to a sequence, tell the client, and end the sequence if it was the last token."""
        self.tokens += 1
        token, logprob, best = token_row(chosen, row)
        room = self.pool.context - len(sequence.generation.prompt_ids) - len(sequence.ids)
        seen = len(sequence.infos)
        sequence.take(token, logprob, best[: sequence.generation.top_logprobs], room, self.codec)
        if sequence.ticket.streaming and (sequence.finish_reason is None or sequence.infos[seen:]):
            news = Delta(sequence.tail.certain(), sequence.version_name, sequence.infos[seen:])
            self._outbox.append((sequence.ticket, news))
        if sequence.finish_reason is not None:
            self._end(sequence, sequence.result(self.codec))

    def _failed(self, sequence: Sequence, error: Exception) -> None:
        """End one sequence that cannot be computed, and empty its slot, which may be only partly written."""
        self._failures.add(sequence, error)
        sequence.finish_reason = "error"
        if sequence.slot >= 0:
            self.pool.wipe(sequence.slot, sequence.done + self.limits.prefill_tokens)
        self._end(sequence, A3TError("The inference engine failed on this sequence; the service's log has the reason."))

    def _end(self, sequence: Sequence, last: News | None) -> None:
        """Free the slot, and send `last` to the client. `last` is None if the client no longer waits."""
        sequence.finish_reason = sequence.finish_reason or "cancelled"
        if sequence.slot >= 0:
            self.pool.release(sequence.slot)
        gone = UnavailableError("The request was cancelled.")
        self._outbox.append((sequence.ticket, gone if last is None else last))
        self._call(sequence.ticket.loop, self._over, sequence)

    def _over(self, sequence: Sequence) -> None:
        self.load -= 1
        self.on_over(sequence)

    def _flush(self) -> None:
        """Pass the step's results to the event loops, in one call for each loop."""
        loops = {id(ticket.loop): ticket.loop for ticket, _ in self._outbox}
        for key, loop in loops.items():
            self._call(loop, _deliver, [(t, news) for t, news in self._outbox if id(t.loop) == key])
        self._outbox = []

    def _fail_all(self) -> None:
        """End all sequences with an error after the engine has stopped, so that no caller waits for ever."""
        error: A3TError = UnavailableError("The inference engine has stopped.", hint="Restart the policy service.")
        while not self._inbox.empty():
            item = self._inbox.get()
            if isinstance(item, Sequence):
                self._waiting.append(item)
            elif item is not None:
                item()
        for sequence in (*self._waiting, *self._running):
            if sequence.finish_reason is None:
                self._end(sequence, error)
        self._flush()

    @staticmethod
    def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., Any], *args: Any) -> None:
        try:
            loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            log.info("engine.loop_closed", hint="The event loop ended before its requests did.")


def _deliver(batch: list[tuple[Ticket, News]]) -> None:
    for ticket, news in batch:
        ticket.news.put_nowait(news)
