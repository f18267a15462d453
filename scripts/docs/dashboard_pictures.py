"""Makes the pictures of the dashboard in docs/img from the screenshots that `make test-browser` leaves.

python -m scripts.docs.dashboard_pictures
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "tests/browser/screenshots"
PICTURES = {
    "dashboard-runs": ("runs", 560),
    "dashboard-run": ("run", 1660),
    "dashboard-run-dark": ("run-dark", 1660),
    "dashboard-compare": ("compare", 1320),
    "dashboard-adapters": ("adapters", 960),
    "dashboard-episode": ("episode", 1500),
    "dashboard-beside": ("beside", 1900),
    "dashboard-phone": ("run-phone-dark", 2400),
}
"""Picture → (screenshot, height of the part that is shown, in the screenshot's pixels)."""
WIDTH, PHONE_WIDTH = 1080, 420


def main() -> None:
    """Crop, shrink and compress."""
    for name, (shot, height) in PICTURES.items():
        with Image.open(SCREENSHOTS / f"{shot}.png") as whole:
            shown = whole.convert("RGB").crop((0, 0, whole.width, min(height, whole.height)))
        width = PHONE_WIDTH if "phone" in shot else WIDTH
        small = shown.resize((width, round(shown.height * width / shown.width)), Image.Resampling.LANCZOS)
        small.save(ROOT / "docs/img" / f"{name}.webp", quality=86, method=6)


if __name__ == "__main__":
    main()
