"""Cutting what an upstream wrote to the end of the action line: upstreams stop at strings only."""

from __future__ import annotations

from collections.abc import Sequence

from a3t_contracts.react import completion_end
from a3t_contracts.react.format import STOP_STRINGS

from ..engine.stopping import TextTail
from ..generation import Generated, Generation
from ..text import TextCodec

__all__ = ["cut_to_action", "stop_strings"]


def stop_strings(generation: Generation) -> list[str]:
    """What an upstream is told to stop at."""
    return [*generation.stop, *(STOP_STRINGS if generation.act else ())]


def cut_to_action(generation: Generation, done: Generated, codec: TextCodec) -> Generated:
    """The completion up to the end of its action line: exact token ids where there are any, else the text alone."""
    if not generation.act:
        return done
    if done.ids is not None:
        count, text = _action_tokens(done.ids, generation, codec)
        if count:
            done.ids = done.ids[:count]
            done.logprobs = done.logprobs[:count] if done.logprobs is not None else None
            done.text, done.finish_reason, done.completion_tokens = text, "stop", count
            return done
    text = done.text if done.finish_reason == "length" else f"{done.text.rstrip(chr(10))}\n"
    end = completion_end(text)
    if end is not None:
        done.text, done.finish_reason, done.ids, done.logprobs = text[:end], "stop", None, None
    return done


def _action_tokens(ids: Sequence[int], generation: Generation, codec: TextCodec) -> tuple[int, str]:
    tail = TextTail(codec, generation.stop, act=True)
    for count, token in enumerate(ids, 1):
        tail.push(token)
        if tail.stopped_by is not None:
            return count, tail.text
    return 0, ""
