"""The reference of recipe keys: complete, up to date, and with a meaning for every key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from a3t_orchestrator.recipe import Recipe
from a3t_orchestrator.recipe.reference import recipe_keys, reference

PAGE = Path(__file__).parents[2] / "docs/reference/recipe.md"


def schema_keys(schema: dict[str, Any], root: dict[str, Any], at: str = "") -> Iterator[tuple[str, str]]:
    """(section, key) of everything that the JSON schema of a recipe allows."""
    for name, value in schema["properties"].items():
        inner = f"{at}.{name}" if at else name
        entries = value.get("items", {})
        if "$ref" in value and "properties" in (below := resolved(value, root)):
            yield from schema_keys(below, root, inner)
        else:
            yield at, name
        if "$ref" in entries:
            yield from schema_keys(resolved(entries, root), root, f"{inner}[]")


def resolved(value: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    return root["$defs"][value["$ref"].rsplit("/", 1)[-1]]  # type: ignore[no-any-return]


def test_the_page_is_what_the_schema_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run: a3t recipes reference > docs/reference/recipe.md"


def test_every_key_of_the_schema_is_on_the_page() -> None:
    schema = Recipe.model_json_schema()
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.M)
    bodies = {section.partition("\n")[0].strip("`"): section for section in sections}
    for section, key in schema_keys(schema, schema):
        body = bodies[section or "Top level"]
        elsewhere = re.search(r"The keys of \[`(.+?)`\]", body)
        rows = body + (bodies[elsewhere[1]] if elsewhere else "")
        assert f"| `{key}` |" in rows, f"{section}.{key} is not on the page"


def test_every_key_has_a_type_and_a_meaning() -> None:
    for key in recipe_keys():
        assert key.type
        assert len(key.meaning.split()) > 2, f"{key.section}.{key.name} says nothing"
