"""Describes the columns of a format's rows independently of a library. Parquet files and dataset cards are made from
it."""

from __future__ import annotations

import json
import types
import typing
from datetime import datetime
from enum import Enum
from typing import Any, Literal, Union

from pydantic import BaseModel

__all__ = ["Column", "Columns", "Row", "columns_of", "flattened", "restored"]

Primitive = Literal["string", "int", "float", "bool", "json"]
Column = Primitive | list[Any] | dict[str, Any]
"""A primitive; a list of one element, the column of its items; or a mapping, the columns of an object. `json` is a
value of any form, which columnar files store as JSON text."""
Columns = dict[str, Column]
Row = dict[str, Any]

_PRIMITIVES: dict[type, Primitive] = {str: "string", int: "int", float: "float", bool: "bool", datetime: "string"}


def columns_of(model: type[BaseModel]) -> Columns:
    """Return the columns of a pydantic model in its JSON form."""
    return {name: _column(field.annotation) for name, field in model.model_fields.items()}


def flattened(value: Any, column: Column) -> Any:
    """Return a value as columnar files store it: objects with all keys of the column, and values of any form as JSON
    text."""
    if value is None:
        return None
    if column == "json":
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(column, list):
        return [flattened(item, column[0]) for item in value]
    if isinstance(column, dict):
        return {name: flattened(value.get(name), part) for name, part in column.items()}
    return value


def restored(value: Any, column: Column) -> Any:
    """Return the value that `flattened` was given, without empty keys. A value of another form is returned
    unchanged."""
    if column == "json" and isinstance(value, str):
        return _parsed(value)
    if isinstance(column, list) and isinstance(value, list):
        return [restored(item, column[0]) for item in value]
    if isinstance(column, dict) and isinstance(value, dict):
        parts = {name: restored(part, column.get(name, "string")) for name, part in value.items()}
        return {name: part for name, part in parts.items() if part is not None}
    return value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _column(annotation: Any) -> Column:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _column(arguments[0])
    if origin in (Union, types.UnionType):
        inner = [argument for argument in arguments if argument is not type(None)]
        return _column(inner[0]) if len(inner) == 1 else "json"
    if origin is list:
        return [_column(arguments[0])]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return columns_of(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "string"
    return _PRIMITIVES.get(annotation, "json") if isinstance(annotation, type) else "json"
