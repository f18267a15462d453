"""Every number and every list of every request has bounds: what is beyond them never reaches what computes with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.params import Form
from fastapi.routing import APIRoute
from pydantic import ValidationError

from a3t_contracts.react import History
from a3t_contracts.schemas import Augmentation, Sampling, StepRequest
from a3t_contracts.service import JsonRoute
from tests.support.apps import APPS, app_of, routes_of


def unbounded(schema: dict[str, Any], where: str, root: dict[str, Any], seen: set[str]) -> Iterator[str]:
    """Places of a JSON schema with a number that has no bound on one side, or a list without a greatest length."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name not in seen:
            yield from unbounded(root["components"]["schemas"][name], name, root, seen | {name})
        return
    kind = schema.get("type")
    if kind in ("integer", "number") and not (
        {"minimum", "exclusiveMinimum"} & schema.keys() and {"maximum", "exclusiveMaximum"} & schema.keys()
    ):
        yield where
    if kind == "array" and "maxItems" not in schema:
        yield where
    for part in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from unbounded(part, where, root, seen)
    for name, part in schema.get("properties", {}).items():
        yield from unbounded(part, f"{where}.{name}", root, seen)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from unbounded(schema[key], f"{where}[]", root, seen)


@pytest.mark.parametrize("service", APPS)
def test_every_number_and_list_that_a_client_sends_is_bounded(service: str, tmp_path: Path) -> None:
    root = app_of(service, tmp_path).openapi()
    found: set[str] = set()
    for path, operations in root["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", ()):
                found |= set(unbounded(parameter["schema"], f"{method} {path}: {parameter['name']}", root, set()))
            for content in operation.get("requestBody", {}).get("content", {}).values():
                found |= set(unbounded(content["schema"], f"{method} {path}", root, set()))
    assert not found


@pytest.mark.parametrize("service", APPS)
def test_every_json_body_is_read_beside_the_event_loop_where_it_is_long(service: str, tmp_path: Path) -> None:
    routes = [route for route in routes_of(app_of(service, tmp_path)) if isinstance(route, APIRoute)]
    assert routes
    taking = [
        route for route in routes if route.body_field is not None and not isinstance(route.body_field.field_info, Form)
    ]
    assert not [route.path for route in taking if not isinstance(route, JsonRoute)]


@pytest.mark.parametrize("value", [10**400, -(10**400), float("nan"), float("inf"), 2**64])
@pytest.mark.parametrize("field", ["top_k", "temperature", "top_p", "max_tokens", "seed"])
def test_no_number_beyond_the_bounds_gets_through(field: str, value: float) -> None:
    with pytest.raises(ValidationError):
        Sampling.model_validate({field: value})
    with pytest.raises(ValidationError):
        StepRequest.model_validate({"action": "look", "index": value})


def test_many_interchangeable_words_are_taken_and_a_word_twice_is_found() -> None:
    words = [f"word {n}" for n in range(16_000)]
    assert Augmentation(interchangeable=[words, ["other"]]).interchangeable[0] == words
    with pytest.raises(ValidationError, match="'word 7' twice"):
        Augmentation(interchangeable=[words, ["word 7"]])


def test_a_history_of_more_turns_than_any_session_is_refused() -> None:
    turn = {"action": "look", "observation": "Nothing happens."}
    with pytest.raises(ValidationError, match="1024"):
        History.model_validate({"environment": "alfworld", "observation": "A room.", "turns": [turn] * 3000})
