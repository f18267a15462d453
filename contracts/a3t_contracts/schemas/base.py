"""The base of every schema."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

__all__ = ["Environment", "Name", "Schema"]

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
"""A name that may become part of a path or a URL: letters, digits, `.`, `_`, `-`; never a path."""

Environment = Name
"""The name of an environment: that of its plug-in in the env service."""


class Schema(BaseModel):
    """Unknown keys are refused, so that a misspelt field is an error and not a silent default."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())
