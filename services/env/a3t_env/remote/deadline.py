"""One deadline for a whole exchange, so that a server that sends one byte per second cannot hold a thread for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ssl import SSLContext
from typing import Any

import httpcore
from typing_extensions import override

from a3t_contracts.errors import UpstreamError
from a3t_contracts.outbound import check_peer

__all__ = ["DeadlineBackend", "left", "remaining", "within"]

_now = threading.local()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Limit the remote calls of this thread inside the block to `seconds`, or to what an outer deadline has left."""
    before: float | None = getattr(_now, "end", None)
    end = time.monotonic() + seconds
    _now.end = end if before is None else min(before, end)
    try:
        yield
    finally:
        _now.end = before


def left() -> float:
    """Seconds until the deadline of this thread, 0 after it. The thread must have a deadline."""
    return max(0.0, float(_now.end) - time.monotonic())


def remaining() -> float:
    """Seconds until the deadline of this thread. Raises httpcore.ReadTimeout after it."""
    seconds = left()
    if seconds == 0.0:
        raise httpcore.ReadTimeout("its time is over")
    return seconds


class DeadlineBackend(httpcore.NetworkBackend):
    """httpcore's default network, with every wait limited by the deadline of the calling thread."""

    def __init__(self) -> None:
        self._network = httpcore.SyncBackend()

    @override
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._network.connect_tcp(host, port, remaining(), local_address, socket_options)
        try:
            check_peer(stream.get_extra_info("server_addr"), f"The server {host}:{port} of an environment")
        except UpstreamError:
            stream.close()
            raise
        return _Stream(stream)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, remaining())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, remaining())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, remaining()))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
