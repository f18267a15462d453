"""Addresses that no service calls, however its URL is written."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from a3t_actre.backends.openai import OpenAIBackend
from a3t_actre.backends.tgi import TGIBackend
from a3t_contracts.errors import UpstreamError
from a3t_contracts.outbound import OutboundRules, outbound_rules
from a3t_env.remote.deadline import within
from a3t_env.remote.http import RemoteHttp
from tests.support.live_server import live_server
from tests.support.recording_app import RecordingApp


@pytest.fixture(autouse=True)
def rules_of_this_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("A3T_MODE", "production")
    monkeypatch.delenv("A3T_OUTBOUND_ALLOWED", raising=False)
    outbound_rules.cache_clear()
    yield
    outbound_rules.cache_clear()


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "::ffff:169.254.169.254", "fe80::1%eth0", "0.0.0.0", "::", "224.0.0.1"),
        *("100.100.100.200", "fd00:ec2::254", "192.0.0.192", "127.0.0.1", "127.9.9.9", "::1"),
    ],
)
def test_inner_addresses_are_refused(address: str) -> None:
    assert OutboundRules(loopback=False).refuses(address)


@pytest.mark.parametrize("address", ["10.0.0.7", "172.18.0.3", "192.168.1.4", "fd12:3456::1", "93.184.216.34"])
def test_private_networks_are_those_of_compose_and_kubernetes(address: str) -> None:
    assert not OutboundRules(loopback=False).refuses(address)


def test_what_a_setting_allows_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A3T_OUTBOUND_ALLOWED", "169.254.1.0/24, ::1")
    rules = outbound_rules()
    assert not rules.refuses("169.254.1.9")
    assert not rules.refuses("::1")
    assert rules.refuses("169.254.169.254")
    assert rules.refuses("127.0.0.1")


def test_development_may_call_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A3T_MODE", "development")
    assert not outbound_rules().refuses("127.0.0.1")
    assert outbound_rules().refuses("169.254.169.254")


async def test_nothing_is_sent_to_a_refused_address() -> None:
    app = RecordingApp()
    with live_server(app) as url:
        named = url.replace("127.0.0.1", "localhost")
        assert httpx.get(f"{named}/own").status_code == 200
        for ask in (OpenAIBackend(named).model, TGIBackend(named).model):
            with pytest.raises(UpstreamError, match="must not call"):
                await ask()
        with within(5), pytest.raises(UpstreamError, match="must not call"):
            RemoteHttp("far", named, 1000).call("GET", "/info")
    assert app.paths == ["/own"]
