"""Writes the reference of recipe keys, docs/reference/recipe.md, from the schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .extend import preset_names, preset_values
from .schema import Recipe
from .tasks import HeldOut

__all__ = ["Key", "recipe_keys", "reference"]

_INTRODUCTION = """# Recipe keys

A recipe is a YAML file with everything that a run depends on. This page lists every key with its type, its default and
its meaning. `a3t recipes reference` writes the page from the schema that reads recipes. A key that is not here is
refused. The defaults are the settings of the A³T paper, where the paper states one.

## `extends`

`extends` names what a recipe builds on: a preset, the path of another recipe (relative to this recipe's folder, ending
with `.yaml`), or a list of both. Mappings are merged key by key; a list or a single value replaces the earlier one. A
later entry of the list takes precedence over an earlier one, and the recipe itself over all of them. The presets are
{presets}. `a3t recipes show FILE` prints a recipe with everything that it extends.

`a3t run --fast` applies the recipe's `fast` section after that. `--set key.path=value`, which changes one key, is
applied last.
"""

_TINY_PRESET = "tiny-agent"
_TINY = """## For tiny models: the preset `tiny-agent`

A model of about a million parameters does not learn with the settings of a 7B model. `extends: tiny-agent` sets what
such a model needs; all other keys of a recipe stay the same. These keys exist only for such models:
`failure_weight`, `failure_nll_cap`, `failure_observations`, `invalid_weight`, `repeat_weight` and `purposeless_weight`
of `training.objective`; `training.optimisation.interpolation`, which no preset sets; and `training.augmentation`, whose
groups of names are in a file for each environment (`configs/parts`). With the defaults of these keys the objective is
exactly that of the paper.

| key | default | in `tiny-agent` |
|---|---|---|
{rows}
"""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the recipe."""

    section: str
    """Dotted path of the mapping that has the key; empty at the top. An entry of a list is `data.held_out[]`."""
    name: str
    type: str
    default: str
    meaning: str


def recipe_keys() -> list[Key]:
    """Return every key that a recipe may have, section by section. Mappings of keys are sections and not keys
    themselves."""
    return [key for section, model, values in _sections() for key in _keys_of(section, model, values)]


def reference() -> str:
    """Return the page as Markdown."""
    presets = ", ".join(f"`{name}`" for name in preset_names())
    parts = [_INTRODUCTION.format(presets=presets)]
    known: dict[type[BaseModel], tuple[str, list[Key]]] = {}
    for section, model, values in _sections():
        keys = _keys_of(section, model, values)
        if model in known:
            body = _differences(keys, *known[model])
        else:
            known[model] = (section, keys)
            body = _table(keys)
        title = f"`{section}`" if section else "Top level"
        parts.append(f"## {title}\n\n{_one_line(model.__doc__ or '')}\n\n{body}")
    return "\n".join([*parts, _TINY.format(rows=_preset_rows(_TINY_PRESET))])


def _preset_rows(preset: str) -> str:
    """Return table rows of the keys to which a preset gives another value than the default, with both values."""
    defaults = Recipe.model_validate({"name": "reference", "environment": "reference"}).model_dump(mode="json")
    rows = []
    for path, value in _leaves(preset_values(preset)):
        default: Any = defaults
        for part in path:
            default = default[part]
        if value != default:
            key = ".".join(path)
            rows.append(f"| `{key}` | `{json.dumps(default)}` | `{json.dumps(value)}` |")
    return "\n".join(rows)


def _leaves(values: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


def _sections() -> Iterator[tuple[str, type[BaseModel], BaseModel | None]]:
    """Yield path, schema and default values of each mapping, outer mappings first."""
    defaults = Recipe.model_validate({"name": "reference", "environment": "reference"})
    yield from _below("", Recipe, defaults)


def _below(
    path: str, model: type[BaseModel], values: BaseModel | None
) -> Iterator[tuple[str, type[BaseModel], BaseModel | None]]:
    yield path, model, values
    for name, field in model.model_fields.items():
        inner = f"{path}.{name}" if path else name
        nested = _nested(field)
        if nested is not None:
            yield from _below(inner, nested, getattr(values, name))
        elif HeldOut in get_args(field.annotation):
            yield from _below(f"{inner}[]", HeldOut, None)


def _nested(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _keys_of(section: str, model: type[BaseModel], values: BaseModel | None) -> list[Key]:
    schema = model.model_json_schema()
    plain = {} if values is None else values.model_dump(mode="json")
    return [
        Key(
            section=section,
            name=name,
            type=_type_of(schema["properties"][name], schema),
            default=_default(name, field, plain),
            meaning=_one_line(field.description or ""),
        )
        for name, field in model.model_fields.items()
        if _nested(field) is None
    ]


def _default(name: str, field: FieldInfo, values: dict[str, Any]) -> str:
    """Return the value of a key in a recipe that leaves it out. A few sections have other defaults than their
    schema."""
    if field.is_required():
        return "required"
    used = values.get(name, field.get_default(call_default_factory=True))
    return f"`{json.dumps(used, ensure_ascii=False)}`"


def _type_of(schema: dict[str, Any], root: dict[str, Any]) -> str:
    """Return the type of a JSON schema's property in words, with its bounds."""
    if "$ref" in schema:
        target = root["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
        return "mapping" if target.get("type") == "object" else _type_of(target, root)
    if "anyOf" in schema:
        return " or ".join(_type_of(part, root) for part in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "anything")
    if kind == "array":
        items = _type_of(schema.get("items", {}), root)
        return f"list of ({items})" if " or " in items or "," in items else f"list of {items}"
    if kind == "object":
        return "mapping"
    words = {"integer": "integer", "number": "number", "string": "text", "boolean": "true or false", "null": "null"}
    return f"{words.get(kind, kind)}{_bounds(schema)}"


def _bounds(schema: dict[str, Any]) -> str:
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    found = [f"{word} {schema[key]:g}" for key, word in words.items() if key in schema]
    return f" {' '.join(found)}" if found else ""


def _differences(keys: list[Key], other: str, first: list[Key]) -> str:
    same = f"The keys of [`{other}`](#{_anchor(other)})"
    changed = [key for key, there in zip(keys, first, strict=True) if key.default != there.default]
    if not changed:
        return f"{same}, with the same defaults.\n"
    return f"{same}, but with these defaults:\n\n{_table(changed)}"


def _anchor(section: str) -> str:
    """Return the anchor that Markdown renderers give a section's heading."""
    return "".join(c for c in section.lower() if c.isalnum() or c in "-_ ").replace(" ", "-")


def _table(keys: list[Key]) -> str:
    if not keys:
        return "Only sections; their keys are below.\n"
    rows = [f"| `{k.name}` | {_cell(k.type)} | {_cell(k.default)} | {_cell(k.meaning)} |" for k in keys]
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _one_line(text: str) -> str:
    return " ".join(text.split())
