"""Cuts the agent's turn out of a completion, in the same way for every backend.

Backends stop early if they can: the engine at the token that ends the turn, upstream servers at `STOP_STRINGS`. They
return everything that was generated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from a3t_contracts.react import turn_end
from a3t_contracts.react.format import STOP_STRINGS

from .generation import Generated
from .text import TextCodec

__all__ = ["cut_turn"]


def cut_turn(done: Generated, codec: TextCodec, *, chat: bool = False) -> Generated:
    """Cut a completion at the end of the agent's turn (`a3t_contracts.react.turn_end`).

    If token ids are known, the result has the kept ids, their text and one log-probability per id. Otherwise only the
    text is cut. The ids are dropped if no token ends exactly at the end of the turn's last line: if a token contains
    the line end and more, or if the model ended its text without the line end, which is then added. In a chat template
    (`chat`), a turn needs no line end, because the template's end token follows; the ids stay.
    """
    if chat and done.ids is not None:
        done = _until_its_end(done, done.ids, codec)
    said = done.text if done.ids is None else codec.decode(done.ids)
    seen = done.text + (done.stop_sequence if done.stop_sequence in STOP_STRINGS else "")
    text = seen if seen.startswith(said) else said  # a server's ids may go beyond the text where it stopped
    end = turn_end(text)
    if end is None:
        return _unfinished(done, said, codec, chat)
    done = replace(done, finish_reason="stop", tokens=None, made_up_observation=end.made_up_observation)
    kept = text[: end.length]
    if done.ids is None:
        return replace(done, text=f"{kept.rstrip()}\n" if kept.strip() else "")
    count = _tokens_within(done.ids, kept, codec)
    if not end.made_up_observation and len(codec.decode(done.ids[:count])) < len(kept):
        count += 1  # the token with the line end, which may also contain blank lines
    said = codec.decode(done.ids[:count])
    if not end.made_up_observation and said.rstrip() != kept.rstrip():
        return replace(done, text=kept, ids=None, logprobs=None)
    return _keep(done, count, said)


def _until_its_end(done: Generated, ids: list[int], codec: TextCodec) -> Generated:
    """Remove the token with which the chat template ends a turn, and everything after it."""
    end = codec.encode(codec.frame.end, add_special_tokens=False) if codec.frame.end else []
    if len(end) != 1 or end[0] not in ids:
        return done
    count = ids.index(end[0])
    return replace(_keep(done, count, codec.decode(ids[:count])), finish_reason="stop")


def _unfinished(done: Generated, said: str, codec: TextCodec, chat: bool) -> Generated:
    """A turn without an end: cut off by the token limit, or ended by the model itself."""
    end = turn_end(f"{said}\n") if done.finish_reason != "length" else None
    if end is not None and not chat:
        return replace(done, text=f"{said}\n", ids=None, logprobs=None, tokens=None)
    if done.ids is None:
        return done
    count = len(done.ids)
    while count and done.ids[count - 1] in codec.special_ids:
        count -= 1
    return _keep(done, count, said)


def _keep(done: Generated, count: int, text: str) -> Generated:
    ids, logprobs = done.ids, done.logprobs
    return replace(
        done,
        text=text,
        ids=None if ids is None else ids[:count],
        logprobs=None if logprobs is None else logprobs[:count],
        completion_tokens=count,
    )


def _tokens_within(ids: Sequence[int], text: str, codec: TextCodec) -> int:
    """The largest number of leading tokens whose text is a beginning of `text`."""
    low, high = 0, len(ids)
    while low < high:
        middle = (low + high + 1) // 2
        if len(codec.decode(ids[:middle])) <= len(text):
            low = middle
        else:
            high = middle - 1
    while low and not text.startswith(codec.decode(ids[:low])):
        low -= 1  # half of a character
    return low
