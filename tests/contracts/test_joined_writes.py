"""The head of a reply is sent together with what follows it, and nothing is lost, reordered or kept."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import httpx
from fastapi import FastAPI
from fastapi.responses import Response, StreamingResponse

from a3t_contracts.service.joined_writes import JoinedWrites
from tests.support.live_server import live_server

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Recorder:
    """A transport that records what it is told to send."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> str:
        return f"the {name}"


def joined() -> tuple[JoinedWrites, Recorder]:
    recorder = Recorder()
    return JoinedWrites(cast(Any, recorder), asyncio.get_running_loop()), recorder


async def test_head_and_body_are_one_write() -> None:
    writes, recorder = joined()
    writes.write(HEAD)
    assert recorder.sent == []
    writes.write(b"ok")
    writes.write(b"more")
    await asyncio.sleep(0)
    assert recorder.sent == [HEAD + b"ok", b"more"]


async def test_a_head_alone_is_sent_in_the_next_iteration() -> None:
    writes, recorder = joined()
    writes.write(HEAD)
    await asyncio.sleep(0)
    assert recorder.sent == [HEAD]
    writes.write(b"ok")
    assert recorder.sent == [HEAD, b"ok"]


async def test_two_heads_keep_their_order() -> None:
    writes, recorder = joined()
    writes.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    writes.write(HEAD)
    writes.write(b"ok")
    assert b"".join(recorder.sent) == b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"ok"


async def test_closing_sends_what_is_held_first() -> None:
    writes, recorder = joined()
    writes.write(HEAD)
    writes.close()
    assert (recorder.sent, writes.is_closing()) == ([HEAD], True)
    await asyncio.sleep(0)
    assert recorder.sent == [HEAD]


async def test_a_protocol_that_takes_over_finds_the_transport_empty() -> None:
    writes, recorder = joined()
    writes.write(HEAD)
    assert cast(Any, writes.inner()) is recorder
    assert recorder.sent == [HEAD]
    assert writes.get_extra_info("peername") == "the peername"


async def test_replies_of_every_kind_arrive_whole() -> None:
    app = FastAPI()

    @app.get("/empty")
    async def empty() -> Response:
        return Response(status_code=204)

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def pieces() -> Any:
            for number in range(5):
                yield f"HTTP/1.1 {number}\n"
                await asyncio.sleep(0.001 * (number % 2))

        return StreamingResponse(pieces())

    with live_server(app) as url:
        async with httpx.AsyncClient(base_url=url) as client:
            for _ in range(3):  # on one connection
                assert (await client.get("/empty")).status_code == 204
                assert (await client.get("/stream")).text == "".join(f"HTTP/1.1 {n}\n" for n in range(5))
                assert (await client.head("/stream")).status_code == 405
