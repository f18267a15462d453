"""Checks which addresses a service may call at a URL that an operator configured: LLM servers, remote environments.

A host name may resolve to any address. So the address of each connection is checked after it is opened and before
anything is sent on it. Like the proxy variables, the rules hold for the whole process.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from .errors import UpstreamError

__all__ = ["OUTBOUND_HELP", "OutboundRules", "check_peer", "outbound_rules", "trace_connections"]

OUTBOUND_HELP = (
    "Addresses or networks, separated by commas, that LLM servers and remote environments may have although they "
    "are refused by default. Refused are link-local addresses, those of metadata services, and in production also "
    "this machine itself (loopback). Private networks need no entry"
)

_METADATA = tuple(map(ipaddress.ip_network, ("100.100.100.200/32", "192.0.0.192/32", "fd00:ec2::254/128")))
"""Networks of cloud metadata services that are not in the link-local network (the usual address, 169.254.169.254,
is)."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class OutboundRules:
    """Decides which addresses are refused.

    Args:
        loopback: whether this machine's own addresses may be called.
        allowed: networks that may be called in any case.
    """

    loopback: bool = True
    allowed: tuple[Network, ...] = ()

    def refuses(self, address: str) -> bool:
        """Return whether an IP address must not be called."""
        ip: Address = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        if any(ip in network for network in self.allowed):
            return False
        if ip.is_loopback:
            return not self.loopback
        return ip.is_link_local or ip.is_unspecified or ip.is_multicast or any(ip in network for network in _METADATA)


class _OutboundSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="A3T_", extra="ignore")

    mode: Literal["development", "production"] = "development"
    outbound_allowed: str = Field("", description=OUTBOUND_HELP)


@lru_cache(maxsize=1)
def outbound_rules() -> OutboundRules:
    """Read the rules from the environment variables. Raises ValueError for an entry that is not an address or a
    network."""
    settings = _OutboundSettings()
    named = [part.strip() for part in settings.outbound_allowed.split(",") if part.strip()]
    networks = tuple(ipaddress.ip_network(part, strict=False) for part in named)
    return OutboundRules(loopback=settings.mode == "development", allowed=networks)


def check_peer(peer: Any, what: str) -> None:
    """Raise UpstreamError where a connection leads to an address that must not be called.

    Args:
        peer: address of the other end, in the form of `socket.getpeername()`; None where it is not known.
        what: name of what was connected to, for the error message.
    """
    if not isinstance(peer, tuple) or not outbound_rules().refuses(str(peer[0])):
        return
    raise UpstreamError(
        f"{what} leads to the address {peer[0]}, which this service must not call.",
        hint="Name another server, or allow the address with A3T_OUTBOUND_ALLOWED.",
    )


async def trace_connections(event: str, info: dict[str, Any]) -> None:
    """httpcore's `trace` extension of a request: checks every connection that is made for it."""
    if event == "connection.connect_tcp.complete":
        stream = info["return_value"]
        try:
            check_peer(stream.get_extra_info("server_addr"), "The address of an upstream server")
        except UpstreamError:
            await stream.aclose()
            raise
