"""The product kinds of the generated shop, with their categories, qualities and options."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["COLOURS", "KINDS", "ProductKind"]

COLOURS = (
    "black",
    "white",
    "navy",
    "teal",
    "ivory",
    "olive",
    "maroon",
    "lilac",
    "amber",
    "coral",
    "grey",
    "beige",
    "mint",
    "burgundy",
    "indigo",
    "peach",
    "turquoise",
    "charcoal",
    "lavender",
    "yellow",
)

_WEAR = ("x-small", "small", "medium", "large", "x-large", "xx-large")
_SHOES = ("6", "7", "8", "9", "10", "11", "12")
_VOLUMES = ("50 ml", "100 ml", "200 ml", "350 ml", "500 ml")
_PACKS = ("pack of 1", "pack of 2", "pack of 4", "pack of 6", "pack of 12")
_LENGTHS = ("3 ft", "6 ft", "10 ft", "15 ft", "25 ft")
_ROOMS = ("2 x 3 ft", "3 x 5 ft", "4 x 6 ft", "5 x 8 ft", "8 x 10 ft")
_BEDS = ("twin", "full", "queen", "king")
_STORAGE = ("32 gb", "64 gb", "128 gb", "256 gb")
_FLAVOURS = ("vanilla", "honey", "cinnamon", "lemon", "cocoa", "apple", "ginger", "almond")
_SCENTS = ("cedar", "rosemary", "jasmine", "unscented", "citrus", "lavender field")


@dataclass(frozen=True, slots=True)
class ProductKind:
    """A kind of product. `price`: usual range in dollars; `options`: group → possible values."""

    plural: str
    singular: str
    category: str
    path: str
    qualities: tuple[str, ...]
    options: dict[str, tuple[str, ...]]
    price: tuple[float, float]


def _kinds(
    category: str, root: str, qualities: str, rows: tuple[tuple[str, str, str, str, tuple[str, ...], float, float], ...]
) -> tuple[ProductKind, ...]:
    """Rows: plural, singular, branch of the category, second option group, its values, price range."""
    return tuple(
        ProductKind(
            plural,
            singular,
            category,
            f"{root} › {branch} › {plural.title()}",
            tuple(qualities.split(", ")),
            {"color": COLOURS, group: values} if category != "grocery" else {group: values, "size": _PACKS},
            (low, high),
        )
        for plural, singular, branch, group, values, low, high in rows
    )


KINDS: tuple[ProductKind, ...] = (
    *_kinds(
        "fashion",
        "Clothing",
        "machine washable, long sleeve, quick drying, high waist, hand knitted, wind proof, loose fit, slim fit, "
        "soft lining, elastic band, button closure, double stitched, everyday wear, pure cotton",
        (
            ("rain jackets", "rain jacket", "Outerwear", "size", _WEAR, 35, 140),
            ("hiking trousers", "hiking trousers", "Bottoms", "size", _WEAR, 20, 90),
            ("wool jumpers", "wool jumper", "Tops", "size", _WEAR, 25, 110),
            ("linen shirts", "linen shirt", "Tops", "size", _WEAR, 18, 80),
            ("running shoes", "running shoe", "Shoes", "size", _SHOES, 40, 160),
            ("house slippers", "house slipper", "Shoes", "size", _SHOES, 9, 40),
            ("pleated skirts", "pleated skirt", "Bottoms", "size", _WEAR, 15, 70),
            ("swim shorts", "swim shorts", "Swimwear", "size", _WEAR, 12, 50),
            ("canvas backpacks", "canvas backpack", "Bags", "style", ("school", "travel", "roll top"), 22, 95),
            ("knitted scarves", "knitted scarf", "Accessories", "style", ("plain", "striped", "checked"), 8, 45),
        ),
    ),
    *_kinds(
        "beauty",
        "Beauty and Care",
        "fragrance free, cruelty free, plant based, oil free, alcohol free, long lasting, quick absorbing, "
        "easy to rinse, dry skin, sensitive skin, natural extracts, travel friendly, refillable bottle",
        (
            ("hand creams", "hand cream", "Skin Care", "size", _VOLUMES, 4, 30),
            ("body lotions", "body lotion", "Skin Care", "scent", _SCENTS, 6, 35),
            ("shampoos", "shampoo", "Hair Care", "scent", _SCENTS, 5, 28),
            ("hair brushes", "hair brush", "Hair Care", "style", ("paddle", "round", "detangling"), 5, 26),
            ("makeup bags", "makeup bag", "Bags and Cases", "size", ("small", "medium", "large"), 8, 35),
            ("bath sponges", "bath sponge", "Bath", "size", _PACKS, 3, 18),
            ("nail polishes", "nail polish", "Nails", "style", ("matte", "glossy", "glitter"), 3, 15),
            ("shaving brushes", "shaving brush", "Shaving", "style", ("classic", "travel", "wide"), 9, 48),
        ),
    ),
    *_kinds(
        "garden",
        "Home and Garden",
        "easy to assemble, water resistant, heavy duty, space saving, solid wood, rust proof, non slip, "
        "double sided, stackable, hand painted, energy saving, living room, dining room, machine washable",
        (
            ("table lamps", "table lamp", "Lighting", "style", ("arched", "tripod", "globe"), 18, 120),
            ("area rugs", "area rug", "Textiles", "size", _ROOMS, 25, 210),
            ("bed sheets", "bed sheet", "Textiles", "size", _BEDS, 20, 95),
            ("throw pillows", "throw pillow", "Textiles", "size", ("12 x 12 in", "16 x 16 in", "20 x 20 in"), 9, 45),
            ("book shelves", "book shelf", "Furniture", "style", ("3 tier", "4 tier", "5 tier"), 35, 240),
            ("bar stools", "bar stool", "Furniture", "size", ("set of 1", "set of 2", "set of 4"), 40, 260),
            ("plant pots", "plant pot", "Garden", "size", ("5 in", "8 in", "12 in", "16 in"), 7, 60),
            ("watering cans", "watering can", "Garden", "size", ("1 litre", "2 litre", "5 litre"), 9, 40),
            ("window curtains", "window curtain", "Textiles", "size", ("63 in", "84 in", "95 in"), 16, 85),
            ("storage baskets", "storage basket", "Storage", "size", ("small", "medium", "large"), 10, 50),
        ),
    ),
    *_kinds(
        "electronics",
        "Electronics",
        "fast charging, noise cancelling, wireless connection, dust proof, long battery life, plug and play, "
        "high resolution, hands free, light weight, water resistant, gold plated, easy to carry, wall mountable",
        (
            ("usb cables", "usb cable", "Cables", "size", _LENGTHS, 5, 30),
            ("bluetooth speakers", "bluetooth speaker", "Audio", "style", ("mini", "desk", "outdoor"), 20, 150),
            ("headphones", "headphone", "Audio", "style", ("over ear", "on ear", "in ear"), 15, 190),
            ("phone cases", "phone case", "Phones", "style", ("slim", "wallet", "rugged"), 6, 35),
            ("tablet stands", "tablet stand", "Tablets", "style", ("folding", "gooseneck", "fixed"), 9, 45),
            ("memory cards", "memory card", "Storage", "size", _STORAGE, 8, 70),
            ("desk microphones", "desk microphone", "Audio", "style", ("clip on", "boom arm", "table"), 25, 130),
            ("webcams", "webcam", "Video", "style", ("720p", "1080p", "4k"), 18, 110),
        ),
    ),
    *_kinds(
        "grocery",
        "Food",
        "gluten free, sugar free, dairy free, low sodium, non gmo, high protein, stone ground, slow roasted, "
        "individually wrapped, resealable bag, no artificial colors, nut free, source of fiber",
        (
            ("oat bars", "oat bar", "Snacks", "flavor", _FLAVOURS, 4, 30),
            ("herbal teas", "herbal tea", "Drinks", "flavor", _FLAVOURS, 4, 25),
            ("rice crackers", "rice cracker", "Snacks", "flavor", ("sea salt", "sesame", "chili", "seaweed"), 3, 22),
            ("granolas", "granola", "Breakfast", "flavor", _FLAVOURS, 5, 28),
            ("fruit spreads", "fruit spread", "Pantry", "flavor", ("plum", "cherry", "apricot", "blueberry"), 4, 24),
            ("coffee beans", "coffee beans", "Drinks", "flavor", ("light roast", "medium roast", "dark roast"), 8, 48),
        ),
    ),
)
