"""Real sockets against a real server: clients that are slow, send too much, or open too many connections."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import httpx
import pytest
from fastapi import APIRouter, Request, WebSocket
from fastapi.responses import StreamingResponse
from websockets.sync.client import connect

from a3t_contracts.errors import Problem
from a3t_contracts.schemas.base import Schema
from a3t_contracts.service import ConnectionLimits, JsonRoute, create_service
from a3t_contracts.service.connection import MAX_HEADER_BYTES
from a3t_contracts.settings import DEVELOPMENT_TOKEN, ServiceSettings
from tests.support.live_server import live_server

LIMITS = ConnectionLimits(seconds=1.0, connections=6)
TOKEN = f"Authorization: Bearer {DEVELOPMENT_TOKEN}\r\n".encode()
router = APIRouter(route_class=JsonRoute)


class Cup(Schema):
    size: int


@router.post("/v1/cups")
async def pour(cup: Cup) -> int:
    return cup.size


@router.post("/v1/upload")
async def upload(request: Request) -> int:
    return sum([len(chunk) async for chunk in request.stream()])


@router.get("/v1/flood")
async def flood() -> StreamingResponse:
    return StreamingResponse(b"x" * 2**16 for _ in range(2**12))


@router.websocket("/v1/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with live_server(create_service("door", ServiceSettings(), [router]), limits=LIMITS) as url:
        yield url


@contextmanager
def connection(url: str) -> Iterator[socket.socket]:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as opened:
        yield opened


def rest(opened: socket.socket) -> bytes:
    """What the server still sends until it closes."""
    received = b""
    try:
        while piece := opened.recv(2**16):
            received += piece
    except ConnectionResetError:
        return received
    return received


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", b""),
        (b"\r\n", b""),
        (b"GET /health HTT", b"408"),
        (b"GET /health HTTP/1.1\r\nHost: here\r\n", b"408"),
        (b"POST /v1/cups HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n" + TOKEN + b"\r\n{", b"408"),
        (b"POST /v1/cups HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n" + TOKEN + b"\r\n5\r\n{", b"408"),
        (b"POST /v1/cups HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\n{", b"401"),
    ],
)
def test_a_request_that_does_not_go_on_is_cut_off(server: str, sent: bytes, status: bytes) -> None:
    with connection(server) as opened:
        opened.sendall(sent)
        began = time.monotonic()
        reply = rest(opened)
    assert time.monotonic() - began < 8
    assert reply[9:12] == status
    if status == b"408":
        assert Problem.model_validate_json(reply.partition(b"\r\n\r\n")[2]).type == "urn:a3t:problem:request-timeout"


@pytest.mark.parametrize("after", [b"GET /health HTTP/1.1\r\nX: ", b"POST /v1/upload HTTP/1.1\r\n" + TOKEN + b"\r\n"])
def test_a_byte_now_and_then_is_not_enough(server: str, after: bytes) -> None:
    after = after.replace(b"\r\n", b"\r\nHost: here\r\nContent-Length: 100\r\n", 1)
    with connection(server) as opened:
        opened.sendall(after)
        began = time.monotonic()
        sent = 0
        with suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() - began < 8:
                opened.sendall(b"x")
                sent += 1
                time.sleep(0.1)
    assert time.monotonic() - began < 6
    assert sent < 60


def test_a_second_request_on_a_connection_has_no_more_time(server: str) -> None:
    with connection(server) as opened:
        opened.sendall(b"GET /health HTTP/1.1\r\nHost: here\r\n\r\n")
        assert opened.recv(2**16).startswith(b"HTTP/1.1 200")
        opened.sendall(b"GET /he")
        assert rest(opened).startswith(b"HTTP/1.1 408")


def test_a_long_body_may_take_longer_than_the_first_seconds(server: str) -> None:
    def slowly() -> Iterator[bytes]:
        for _ in range(15):
            time.sleep(0.1)
            yield b"x" * 4096

    headers = {"Authorization": f"Bearer {DEVELOPMENT_TOKEN}"}
    assert httpx.post(f"{server}/v1/upload", content=slowly(), headers=headers).json() == 15 * 4096


def test_a_client_that_does_not_read_is_cut_off(server: str) -> None:
    with connection(server) as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        opened.sendall(b"GET /v1/flood HTTP/1.1\r\nHost: here\r\n" + TOKEN + b"\r\n")
        time.sleep(2.5)
        assert len(rest(opened)) < 2**28


@pytest.mark.parametrize("header", [b"X: " + b"x" * 2**20, b"X: y\r\n" * 2**14, b"X: " + b"x" * (MAX_HEADER_BYTES + 1)])
def test_a_header_over_the_limit_is_refused(server: str, header: bytes) -> None:
    with connection(server) as opened:
        try:
            opened.sendall(b"GET /health HTTP/1.1\r\nHost: here\r\n" + header + b"\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            return
        reply = rest(opened)
        assert reply[9:12] in (b"413", b"")  # a client that still sends may lose the reply


def test_a_client_has_so_many_connections_and_no_more(server: str) -> None:
    port = server.rpartition(":")[2]
    headers = {"Authorization": f"Bearer {DEVELOPMENT_TOKEN}"}
    with connect(f"ws://127.0.0.1:{port}/v1/echo", additional_headers=headers, proxy=None), ExitStack() as held:
        opened = [held.enter_context(connection(server)) for _ in range(LIMITS.connections - 1)]
        for one in opened:
            one.sendall(b"GET /health HTTP/1.1\r\nHost: here\r\n\r\n")
            assert one.recv(2**16).startswith(b"HTTP/1.1 200")
        with connection(server) as further:
            reply = rest(further)
        assert reply.startswith(b"HTTP/1.1 429")
        assert b"retry-after: 1\r\n" in reply
    for _ in range(50):  # the server notices a moment later that they are closed
        if httpx.get(f"{server}/health").status_code == 200:
            return
        time.sleep(0.1)
    pytest.fail("closed connections still count")
