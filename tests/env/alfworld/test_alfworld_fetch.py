"""Fetching archives, from a real HTTP server on this machine."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from a3t_contracts.errors import InvalidInputError, UnavailableError, UpstreamError
from a3t_env.alfworld.data.fetch import ARCHIVES, Archive, fetch_archive


class Server(ThreadingHTTPServer):
    """Serves one body, with ranges; can break off early, ignore ranges, or refuse."""

    body = b""
    cut: int | None = None
    ranges = True
    status = 200
    requests: list[str | None]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.requests.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.ranges else 0
        body = self.server.body[start:]
        self.send_response(self.server.status if not start else 206)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.cut])

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def body() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("json_2.1.1/train/x", bytes(range(256)) * 2000)
    return file.getvalue()


@pytest.fixture
def server(body: bytes) -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.body, server.requests = body, []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def archive_of(server: Server, body: bytes, sha256: str | None = None) -> Archive:
    known = hashlib.sha256(body).hexdigest() if sha256 is None else sha256
    return Archive(f"http://127.0.0.1:{server.server_port}/a.zip", len(body), known)


def test_fetching_checks_and_keeps(server: Server, body: bytes, tmp_path: Path):
    told: list[tuple[int, int]] = []
    path = fetch_archive(archive_of(server, body), tmp_path, lambda done, total: told.append((done, total)))
    assert path.read_bytes() == body
    assert told[-1] == (len(body), len(body))
    assert fetch_archive(archive_of(server, body), tmp_path) == path
    assert len(server.requests) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_a_broken_transfer_goes_on_where_it_stopped(server: Server, body: bytes, tmp_path: Path):
    server.cut = 1000
    with pytest.raises((UnavailableError, UpstreamError), match="broke off"):
        fetch_archive(archive_of(server, body), tmp_path)
    assert (tmp_path / "a.zip.part").stat().st_size == 1000
    server.cut = None
    assert fetch_archive(archive_of(server, body), tmp_path).read_bytes() == body
    assert server.requests == [None, "bytes=1000-"]


def test_a_server_without_ranges_begins_anew(server: Server, body: bytes, tmp_path: Path):
    (tmp_path / "a.zip.part").write_bytes(b"x" * 100)
    server.ranges = False
    assert fetch_archive(archive_of(server, body), tmp_path).read_bytes() == body


@pytest.mark.parametrize("sha256", ["0" * 64, ""])
def test_another_file_is_refused_and_removed(sha256: str, server: Server, body: bytes, tmp_path: Path):
    server.body = body[:500] + b"\0" * 100 + body[600:]
    with pytest.raises(InvalidInputError, match="is not the released archive"):
        fetch_archive(archive_of(server, body, sha256), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_changed_on_disk_is_refused(server: Server, body: bytes, tmp_path: Path):
    (tmp_path / "a.zip").write_bytes(body + b"x")
    with pytest.raises(InvalidInputError, match="bytes, not"):
        fetch_archive(archive_of(server, body), tmp_path)


def test_a_refusal_is_told(server: Server, body: bytes, tmp_path: Path):
    server.status = 503
    with pytest.raises(UpstreamError, match="answered 503"):
        fetch_archive(archive_of(server, body), tmp_path)


def test_no_network_is_told_with_what_works_without(tmp_path: Path):
    with pytest.raises(UnavailableError, match="need no network"):
        fetch_archive(Archive("http://127.0.0.1:9/a.zip", 10), tmp_path)


def test_known_archives_come_from_the_releases():
    assert all(a.url.startswith("https://github.com/alfworld/alfworld/releases/") for a in ARCHIVES.values())
    assert {"json", "pddl", "tw-pddl"} <= ARCHIVES.keys()
