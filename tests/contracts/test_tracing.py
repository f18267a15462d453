"""Ids in log lines and headers, and spans as the rest of the code makes them."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
from fastapi import APIRouter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from a3t_contracts.clients.base import ServiceClient
from a3t_contracts.logging import configure_logging, get_logger
from a3t_contracts.service import Lane, create_service
from a3t_contracts.settings import DEVELOPMENT_TOKEN, ServiceSettings
from a3t_contracts.tracing import (
    bound_ids,
    id_headers,
    note_event,
    origin_here,
    received_ids,
    span,
    traceparent,
    tracing,
    use,
    with_content,
)
from tests.support.live_server import live_server

router = APIRouter()
log = get_logger(__name__)
lane = Lane("tracing-test", 1)


@router.post("/v1/work")
async def work() -> dict[str, str]:
    log.info("work.begun")
    await lane(lambda: logging.getLogger("library").warning("said in a thread"))
    return id_headers()


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    use(provider.get_tracer("test"))
    yield exporter
    use(None)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[list[dict[str, str]]]:
    """Filled, when it is read, by calling `extend` with what was logged."""
    configure_logging("worker", "INFO", json=True)
    yield []
    configure_logging("test", "WARNING")


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]


async def call(url: str) -> dict[str, str]:
    class Client(ServiceClient):
        async def work(self) -> dict[str, str]:
            return dict((await self._send("POST", "/v1/work")).json())

    async with Client(url, DEVELOPMENT_TOKEN) as client:
        return await client.work()


def test_a_service_logs_the_ids_of_its_caller(capsys: pytest.CaptureFixture[str], lines: list[dict[str, str]]) -> None:
    ids = {"run": "demo-1", "episode": "e/1", "request_id": "task-7"}
    with live_server(create_service("echo", ServiceSettings(), [router])) as url:
        with bound_ids(**ids):
            passed_on = asyncio.run(call(url))
        found = [line for line in logged(capsys) if line["event"] in ("work.begun", "said in a thread")]
        assert [line["event"] for line in found] == ["work.begun", "said in a thread"]
        for line in found:
            assert {key: line[key] for key in ids} == ids
            assert line["service"] == "worker"
            assert line["timestamp"]
        assert found[1]["module"] == "library"
        assert passed_on == {"X-Request-Id": "task-7", "baggage": "a3t.run=demo-1,a3t.episode=e/1"}
        nobody = asyncio.run(call(url))
        assert set(nobody) == {"X-Request-Id"}


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (b"a3t.run=demo, other=1;p=2 ,a3t.episode=e%2F1;ttl=3", {"run": "demo", "episode": "e/1"}),
        (b"a3t.run=", {}),
        (b"a3t.run=one%0Atwo", {}),
        (b"a3t.run=" + b"x" * 200, {}),
        (b"\xff\xfe,=,;", {}),
    ],
)
def test_ids_from_outside_are_checked(header: bytes, found: dict[str, str]) -> None:
    assert received_ids({b"baggage": header}) == found


def test_without_the_setting_a_span_is_nothing() -> None:
    assert not tracing()
    with span("a") as here, span("b", {"x": 1}, new_trace=True):
        here.set({"y": 2})
        here.event("z", {})
        note_event("z", {})
        assert traceparent() is None
        assert origin_here() is None


def test_without_the_setting_no_sdk_is_imported() -> None:
    code = (
        "import sys; from a3t_contracts.settings import ServiceSettings; "
        "from a3t_contracts.service import create_service; create_service('x', ServiceSettings(), []); "
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"


def test_spans_nest_link_and_fail(spans: InMemorySpanExporter) -> None:
    with span("task"):
        outside = traceparent()
        with bound_ids(run="demo", episode="e1"), span("episode", {"left": None, "kept": 1}, new_trace=True):
            origin = origin_here()
        assert origin is not None
        with pytest.raises(ValueError, match="secret words"), span("turn", parent=origin.traceparent):
            raise ValueError("secret words")
        with span("stream", current=False):
            assert traceparent() == outside
    turn, episode = (next(s for s in spans.get_finished_spans() if s.name == name) for name in ("turn", "episode"))
    task, stream = (next(s for s in spans.get_finished_spans() if s.name == name) for name in ("task", "stream"))
    assert episode.parent is None
    assert dict(episode.attributes or {}) == {"kept": 1}
    assert episode.context.trace_id != task.context.trace_id
    assert [link.context.span_id for link in episode.links] == [task.context.span_id]
    assert turn.parent is not None
    assert turn.parent.span_id == episode.context.span_id
    assert [link.context.span_id for link in turn.links] == [task.context.span_id]
    assert dict(turn.attributes or {}) == {"error.type": "ValueError"}
    assert not turn.status.is_ok
    assert turn.status.description is None, "texts of errors are content"
    assert not turn.events
    assert stream.parent is not None
    assert stream.parent.span_id == task.context.span_id
    assert origin.ids == {"run": "demo", "episode": "e1"}


def test_log_lines_name_the_span(
    spans: InMemorySpanExporter, capsys: pytest.CaptureFixture[str], lines: list[dict[str, str]]
) -> None:
    with span("here"):
        log.info("inside")
    log.info("outside")
    (inside, outside) = logged(capsys)
    (here,) = spans.get_finished_spans()
    assert inside["trace_id"] == f"{here.context.trace_id:032x}"
    assert inside["span_id"] == f"{here.context.span_id:016x}"
    assert "trace_id" not in outside


def test_content_is_asked_for_by_its_own_setting() -> None:
    settings = ServiceSettings()
    assert (settings.traces, settings.traces_content, settings.traces_sample) == (False, False, 1.0)
    assert not with_content()
