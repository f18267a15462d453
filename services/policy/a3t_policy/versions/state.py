"""The state file that lists the loaded versions, for the next start."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from a3t_contracts.files import write_atomically
from a3t_contracts.logging import get_logger
from a3t_contracts.schemas.base import Schema

__all__ = ["SavedVersion", "State", "StateFile"]

log = get_logger(__name__)


class SavedVersion(Schema):
    name: str
    path: str | None = None
    content: str | None = Field(None, description="See `content_id`; a folder that changed since is not served again")


class State(Schema):
    """Versions in the order of loading, and the live one; null is the base."""

    base_fingerprint: str = ""
    live: str | None = None
    versions: list[SavedVersion] = Field(default_factory=list)


class StateFile:
    """A JSON file that is replaced as a whole, so that a killed process leaves the old or the new one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.contents: dict[str, str] = {}
        """What the versions of the state that was read last were made of."""

    def read(self, base_fingerprint: str) -> State:
        """The saved state; an empty one where there is none, or where it belongs to another base."""
        try:
            state = State.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return State()
        except (OSError, ValidationError) as error:
            log.warning("state.unreadable", path=str(self.path), reason=str(error))
            return State()
        if state.base_fingerprint != base_fingerprint:
            return State()
        self.contents = {version.name: version.content for version in state.versions if version.content}
        return state

    def write(self, state: State) -> None:
        """Replace the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, state.model_dump_json(indent=2))
