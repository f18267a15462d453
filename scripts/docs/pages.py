"""Pages of the docs site that are made from the code: HTTP APIs, commands, settings, Python modules (a mkdocs hook)."""

from __future__ import annotations

import importlib
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))

from openapi import SERVICES, openapi_documents

__all__ = ["on_files"]

_ROOT = Path(__file__).parents[2]
_TITLES = {
    "env": "Env service",
    "policy": "Policy service",
    "actre": "ActRe service",
    "trainer": "Trainer service",
    "orchestrator": "Orchestrator service",
}


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the generated pages before mkdocs builds the navigation."""
    for path, content in _pages():
        files.append(File.generated(config, path, content=content))
    return files


def _pages() -> Iterator[tuple[str, str]]:
    logging.getLogger("a3t").setLevel(logging.ERROR)
    for name, document in openapi_documents().items():
        yield f"reference/http/{name}.json", json.dumps(document, indent=2, ensure_ascii=False)
        yield f"reference/http/{name}.md", http_page(name, document)
    yield "reference/commands.md", commands_page()
    yield "reference/settings.md", settings_page()
    yield "reference/python.md", python_page()


def http_page(name: str, document: dict[str, Any]) -> str:
    """Every route of a service with its parameters, body and answers, then the schemas that they use."""
    info = document["info"]
    parts = [
        f"# {_TITLES[name]}\n\n{info.get('description', '')}\n\n"
        f"This page is made from the service's [OpenAPI description]({name}.json). Every request except `/health` "
        "needs the header `Authorization: Bearer TOKEN` with the token of `A3T_TOKEN`. Errors are RFC 9457 problems.\n"
    ]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts.append(_operation(method, path, operation))
    schemas = document.get("components", {}).get("schemas", {})
    parts.append("## Schemas\n")
    parts += [_schema(title, schema) for title, schema in sorted(schemas.items())]
    return "\n".join(parts)


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    lines = [f"## `{method.upper()} {path}`\n", operation.get("description") or operation.get("summary", ""), ""]
    parameters = operation.get("parameters", [])
    if parameters:
        rows = [_parameter(parameter) for parameter in parameters]
        lines.append(_table(("parameter", "in", "type", "default", "meaning"), rows))
    body = operation.get("requestBody", {}).get("content", {})
    lines += [f"Body (`{kind}`): {_type(value.get('schema', {}))}\n" for kind, value in body.items()]
    rows = []
    for status, answer in operation.get("responses", {}).items():
        kinds = {_type(value.get("schema", {})) for value in answer.get("content", {}).values()} - {"anything"}
        rows.append((status, answer.get("description", ""), ", ".join(sorted(kinds))))
    lines.append(_table(("status", "when", "body"), rows))
    return "\n".join(lines)


def _parameter(parameter: dict[str, Any]) -> tuple[str, ...]:
    schema, meaning = parameter.get("schema", {}), parameter.get("description", "")
    return (
        f"`{parameter['name']}`",
        parameter["in"],
        _type(schema),
        _default(schema, parameter.get("required")),
        meaning,
    )


def _schema(title: str, schema: dict[str, Any]) -> str:
    text = f"### {title}\n\n{schema.get('description', '')}\n"
    if "enum" in schema:
        return text + "\nOne of " + ", ".join(f"`{value}`" for value in schema["enum"]) + ".\n"
    required = schema.get("required", [])
    rows = [
        (f"`{name}`", _type(value), _default(value, name in required), value.get("description", ""))
        for name, value in schema.get("properties", {}).items()
    ]
    return text + ("\n" + _table(("field", "type", "default", "meaning"), rows) if rows else "")


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(_type(part) for part in schema[key]))
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("type", "anything"))


def _default(schema: dict[str, Any], required: bool | None) -> str:
    if "default" in schema:
        return f"`{json.dumps(schema['default'], ensure_ascii=False)}`"
    return "required" if required else ""


def commands_page() -> str:
    """Every command of `a3t` with its arguments and options."""
    import typer
    from typer.main import get_command

    from a3t_orchestrator.cli.root import build_root

    root: Any = get_command(build_root())  # type: ignore[arg-type]
    context = typer.Context(root, info_name="a3t")
    parts = [
        "# Commands\n\nEvery command of `a3t`, from its help text. Commands with `--json` print one JSON "
        "document. Exit codes: 0 success, 1 failure, 2 invalid input, 3 something that does not exist, 130 Ctrl-C.\n"
    ]
    for name in root.list_commands(context):
        _, command, _ = root.resolve_command(context, [name])
        parts += _command(command, f"a3t {name}", context)
    return "\n".join(parts)


def _command(command: Any, name: str, context: Any) -> list[str]:
    parts = [f"## `{name}`\n\n{_prose(command.help or '')}\n"]
    rows = []
    for parameter in command.params:
        flags = [*parameter.opts, *parameter.secondary_opts]
        if "--help" in flags or "--install-completion" in flags or "--show-completion" in flags:
            continue
        argument = parameter.param_type_name == "argument"
        shown = (parameter.metavar or parameter.name).upper() if argument else ", ".join(flags)
        rows.append((f"`{shown}`", _prose(getattr(parameter, "help", None) or ""), _command_default(parameter)))
    if rows:
        parts.append(_table(("argument or option", "meaning", "default"), rows))
    for inner in getattr(command, "commands", {}):
        parts += _command(command.commands[inner], f"{name} {inner}", context)
    return parts


def _command_default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    return "" if value is None or value is False or callable(value) or value == [] else f"`{value}`"


def settings_page() -> str:
    """Every environment variable that a process reads."""
    from a3t_contracts.settings import CommonSettings, ServiceSettings

    parts = [
        "# Settings\n\nEvery process reads its settings from environment variables. The default of a variable "
        "applies if it is not set.\n",
        "## Every process\n\n" + _settings_table(CommonSettings, set()),
        "## Every service\n\n" + _settings_table(ServiceSettings, set(CommonSettings.model_fields)),
    ]
    shared = set(ServiceSettings.model_fields)
    for name, (package, settings) in SERVICES.items():
        made = getattr(importlib.import_module(f"{package}.settings"), settings)
        own = {key for key, field in made.model_fields.items() if _differs(ServiceSettings, key, field)}
        parts.append(f"## {_TITLES[name]}\n\n" + _settings_table(made, shared - own))
    return "\n".join(parts)


def _differs(base: Any, key: str, field: Any) -> bool:
    return key not in base.model_fields or base.model_fields[key].default != field.default


def _settings_table(settings: Any, without: set[str]) -> str:
    rows = []
    for name, field in settings.model_fields.items():
        if name in without:
            continue
        default = "" if field.default_factory or field.default is None else f"`{_plain(field.default)}`"
        variable = str(field.validation_alias or f"A3T_{name.upper()}")
        rows.append((f"`{variable}`", default, field.description or ""))
    return _table(("variable", "default", "meaning"), rows)


def _plain(value: Any) -> str:
    return value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)


def python_page() -> str:
    """The modules of the contracts package, from their docstrings."""
    folder = _ROOT / "contracts/a3t_contracts"
    parts = [
        "# Python modules\n\nThe package `a3t_contracts` has what all services share and what Python clients use: "
        "schemas, the text format, clients, errors and the adapter registry.\n"
    ]
    for path in sorted(folder.rglob("*.py")):
        module = ".".join(path.relative_to(folder.parent).with_suffix("").parts)
        if not module.endswith("__init__"):
            parts.append(f"## `{module}`\n\n::: {module}\n    options:\n      heading_level: 3\n")
    return "\n".join(parts)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return _prose(" ".join(str(text).split())).replace("|", "\\|")


def _prose(text: str) -> str:
    """Turn the text of a docstring into Markdown, in which angle brackets outside code are not HTML."""
    pieces = text.split("`")
    return "`".join(p if i % 2 else p.replace("<", "&lt;").replace("_", "\\_") for i, p in enumerate(pieces))
