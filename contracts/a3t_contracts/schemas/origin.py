"""Says which episode an item of a batch belongs to, for logs and traces."""

from __future__ import annotations

from pydantic import Field

from .base import Schema

__all__ = ["Origin"]


class Origin(Schema):
    """The episode that a turn, a session or a question belongs to. It goes into log lines and traces and does not
    change the reply. It is part of each item because one request carries items of many episodes, so that headers cannot
    say it."""

    run: str | None = Field(None, max_length=128, description="Name of the run")
    episode: str | None = Field(None, max_length=128, description="Id of the episode")
    traceparent: str | None = Field(
        None,
        pattern=r"^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
        description="Span above the spans of this item, in the form of the W3C header of that name",
    )

    @property
    def ids(self) -> dict[str, str]:
        """Return run and episode for log lines, where they are known."""
        known = {"run": self.run, "episode": self.episode}
        return {key: value for key, value in known.items() if value is not None}
