"""The state file that lists the loaded versions, for the next start."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from a3t_contracts.files import write_atomically
from a3t_contracts.logging import get_logger
from a3t_contracts.schemas.base import Schema

__all__ = ["SavedVersion", "State", "StateFile"]

_MOST_NAMES = 10_000
"""Largest number of remembered names in addition to the served ones. Each takes about 150 bytes."""

log = get_logger(__name__)


class SavedVersion(Schema):
    """One adapter version that was served when the state was written."""

    name: str
    path: str | None = None
    content: str | None = Field(
        None, description="See `content_id`; a folder whose content has changed is not served again"
    )


class State(Schema):
    """The loaded versions in the order of loading, and the live one; null is the base."""

    base_fingerprint: str = ""
    live: str | None = None
    versions: list[SavedVersion] = Field(default_factory=list)
    contents: dict[str, str] = Field(
        default_factory=dict,
        description="Content id with which each name was served, until it is unloaded; see `content_id`",
    )


class StateFile:
    """A JSON file that is replaced atomically, so that a killed process leaves the old or the new state."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.contents: dict[str, str] = {}
        """Content id of every name that was served and not unloaded; if there are too many, of those used last."""

    def read(self, base_fingerprint: str) -> State:
        """The saved state; an empty one if there is no file, or if it belongs to another base."""
        try:
            state = State.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return State()
        except (OSError, ValidationError) as error:
            log.warning("state.unreadable", path=str(self.path), reason=str(error))
            return State()
        if state.base_fingerprint != base_fingerprint:
            return State()
        self.contents = state.contents | {saved.name: saved.content for saved in state.versions if saved.content}
        return state

    def remember(self, name: str, content: str) -> None:
        """Record that `name` stands for this content."""
        self.contents.pop(name, None)
        self.contents[name] = content
        while len(self.contents) > _MOST_NAMES:
            del self.contents[next(iter(self.contents))]

    def write(self, state: State) -> None:
        """Replace the file with this state."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, state.model_dump_json(indent=2))
