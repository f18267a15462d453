"""The HTTP reference: every field of the services' own schemas says what it is."""

from __future__ import annotations

from scripts.docs.openapi import openapi_documents

FASTAPI_OWN = {"HTTPValidationError", "ValidationError"}


def test_every_field_has_a_description() -> None:
    empty = [
        f"{service}: {schema}.{field}"
        for service, document in openapi_documents().items()
        for schema, content in document["components"]["schemas"].items()
        if schema not in FASTAPI_OWN
        for field, value in content.get("properties", {}).items()
        if not value.get("description")
    ]
    assert not empty
