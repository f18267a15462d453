"""A few hand-made products in the original's file format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["RECORDS", "record", "values", "write_files"]


def record(asin: str, name: str, **fields: Any) -> dict[str, Any]:
    """A raw product record as the original's files hold them."""
    base = {
        "asin": asin,
        "name": name,
        "full_description": f"About the {name}.",
        "small_description": [f"{name} first"],
        "pricing": "$12.50",
        "images": ["x.jpg"],
        "category": "garden",
        "query": "Lamps ",
        "product_category": "Home › Lighting › Lamps",
        "customization_options": "",
    }
    return base | fields


def values(*names: str) -> list[dict[str, str]]:
    """An option group's contents."""
    return [{"value": name, "image": ""} for name in names]


RECORDS = [
    record(
        "LAMP000001",
        "Blue Desk Lamp",
        pricing="$10.00$30.00",
        customization_options={"Color": values("Dark Blue", "red/white"), "Size": values("Small", "Description")},
    ),
    record("LAMP000002", "Green Desk Lamp", pricing="", small_description="one bullet", full_description=""),
    record("LAMP000003", "Floor Lamp", small_description=["first", "", "  ", "a\nb"], pricing="$1,299.00"),
    record("SHOE000001", "Item Page Shoe", category="fashion", query="shoes", product_category="Clothing › Shoes"),
    *[record(f"BULK{i:06d}", f"Bulk Candle {i}", pricing="$5.00", query="candles") for i in range(25)],
]
ATTRIBUTES = {
    "LAMP000001": {
        "attributes": ["easy clean", "solid wood"],
        "instruction": "Find me easy clean lamps",
        "instruction_attributes": ["easy clean"],
    },
    "LAMP000002": {"attributes": []},
}
HUMANS = {
    "LAMP000002": [
        {"instruction": "a green lamp.", "instruction_attributes": ["desk"], "instruction_options": ["green"]},
        {"instruction": "no attributes", "instruction_attributes": [], "instruction_options": []},
    ]
}


def write_files(folder: Path, records: list[dict[str, Any]], lines: bool = False) -> Path:
    """The original's three files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(map(json.dumps, records)) if lines else json.dumps(records)
    (folder / "items_shuffle.json").write_text(text, "utf-8")
    (folder / "items_ins_v2.json").write_text(json.dumps(ATTRIBUTES), "utf-8")
    (folder / "items_human_ins.json").write_text(json.dumps(HUMANS), "utf-8")
    return folder
