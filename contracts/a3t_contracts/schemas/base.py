"""The base class and common types of all schemas."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

__all__ = ["MAX_INT", "MAX_SEED", "Environment", "Name", "Schema", "TokenIds", "Tracker"]

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
"""A name that may become part of a path or a URL: letters, digits, `.`, `_`, `-`; never a path."""

Environment = Name
"""The name of an environment, which is the name of its plug-in in the env service."""


MAX_INT = 2**31 - 1
"""Upper limit of whole numbers that have no lower one, because libraries may hold them in 32 bits."""
MAX_SEED = 2**64 - 1

TokenIds = Annotated[list[Annotated[int, Field(ge=0, le=MAX_INT)]], Field(max_length=2**20, fail_fast=True)]
"""Ids of tokens. Validation ends at the first wrong id, so that a bad list does not give a million errors."""


Tracker = Literal["tensorboard", "wandb", "mlflow", "trackio"]
"""Name of an experiment tracker."""


class Schema(BaseModel):
    """The base class of schemas. It refuses unknown keys, so that a misspelt field is an error and not a silent
    default."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())
