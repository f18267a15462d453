"""Parses `A3T_ENV_REMOTES`, which says which servers play which environments."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, urlsplit, urlunsplit

from pydantic import SecretStr

from a3t_contracts.errors import InvalidInputError

__all__ = ["SCHEMES", "Address", "Split", "addresses"]

SCHEMES = {
    "http": ("http", "http"),
    "https": ("http", "https"),
    "openenv+ws": ("openenv", "ws"),
    "openenv+wss": ("openenv", "wss"),
    "agentgym+http": ("agentgym", "http"),
    "agentgym+https": ("agentgym", "https"),
}
"""Scheme in the setting → protocol, and the scheme of the URL that is called."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_EXAMPLE = "Write NAME=URL, for example `guess=http://127.0.0.1:8200`, several with commas between them."


@dataclass(frozen=True, slots=True)
class Split:
    """A split of numbered tasks; `first` is the number of its first task over all splits."""

    name: str
    tasks: int
    first: int


@dataclass(frozen=True, slots=True)
class Address:
    """One remote environment: its address, its protocol, and the settings in the query of its URL."""

    name: str
    protocol: str
    url: str
    splits: tuple[Split, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    token: SecretStr | None = None
    """Bearer token that every call carries."""

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every call: the token, if there is one."""
        return {"Authorization": f"Bearer {self.token.get_secret_value()}"} if self.token is not None else {}


def addresses(text: str, tokens: SecretStr | None = None) -> list[Address]:
    """Parse the settings `name=url,name=url` and `name=token,name=token`. Raises InvalidInputError, which quotes the
    wrong part, but never a token.
    """
    token_of = _tokens(tokens.get_secret_value() if tokens is not None else "")
    found = [_address(part.strip(), token_of) for part in text.split(",") if part.strip()]
    for one in found:
        if sum(other.name == one.name for other in found) > 1:
            raise InvalidInputError(f"A3T_ENV_REMOTES names {one.name!r} twice.", hint="Give each remote another name.")
    return found


def _tokens(text: str) -> dict[str, SecretStr]:
    """Return name → token. A token for an unknown remote is ignored, because that remote may be switched off."""
    found: dict[str, SecretStr] = {}
    for number, part in enumerate((part.strip() for part in text.split(",") if part.strip()), start=1):
        name, _, token = part.partition("=")
        if not _NAME.fullmatch(name) or not _TOKEN.fullmatch(token) or name in found:
            raise InvalidInputError(
                f"Entry {number} of A3T_ENV_REMOTE_TOKENS does not have the form NAME=TOKEN, or repeats a name.",
                hint="Write `guess=abc123`, several with commas between them. A token has letters, digits and -._~+/=.",
            )
        found[name] = SecretStr(token)
    return found


def _address(text: str, token_of: dict[str, SecretStr]) -> Address:
    name, sign, url = text.partition("=")
    parts = _split(url)
    if not sign or not _NAME.fullmatch(name):
        raise InvalidInputError(f"A3T_ENV_REMOTES has {text[:200]!r}, which has no valid name.", hint=_EXAMPLE)
    if "@" in parts.netloc:
        raise InvalidInputError(
            f"A3T_ENV_REMOTES has a user name or password in the URL of {name}, which error messages would show.",
            hint="Leave it out of the URL, and give a token in A3T_ENV_REMOTE_TOKENS=NAME=TOKEN.",
        )
    if parts.scheme not in SCHEMES or not parts.hostname or not _port_is_good(url):
        raise InvalidInputError(
            f"A3T_ENV_REMOTES gives {name} the URL {url[:200]!r}, which is not the URL of a server.",
            hint=f"{_EXAMPLE} Schemes: {', '.join(SCHEMES)}.",
        )
    protocol, scheme = SCHEMES[parts.scheme]
    query = parse_qsl(parts.query, keep_blank_values=True)
    settings = {key: value for key, value in query if key not in ("tasks", "split")}
    base = urlunsplit((scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
    return Address(name, protocol, base, _splits(name, query), settings, token_of.get(name))


def _split(url: str) -> SplitResult:
    """The parts of a URL; those of an empty URL if it is malformed (`http://[`)."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _port_is_good(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _splits(name: str, query: list[tuple[str, str]]) -> tuple[Split, ...]:
    """`tasks=160&split=train&tasks=40&split=test`: the numbers of the second split follow those of the first."""
    counts = [value for key, value in query if key == "tasks"]
    names = [value for key, value in query if key == "split"] or ["train"][: len(counts)]
    good = all(count.isdecimal() and 0 < int(count) <= 10_000_000 for count in counts)
    if not good or len(counts) != len(names) or len(set(names)) != len(names) or not all(map(_NAME.fullmatch, names)):
        raise InvalidInputError(
            f"A3T_ENV_REMOTES has invalid splits for {name}: tasks={', '.join(counts)} split={', '.join(names)}.",
            hint="Each split has a name and a number of tasks: `?tasks=160&split=train&tasks=40&split=test`.",
        )
    splits, first = [], 0
    for split, count in zip(names, counts, strict=True):
        splits.append(Split(split, int(count), first))
        first += int(count)
    return tuple(splits)
