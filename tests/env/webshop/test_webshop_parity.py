"""Agreement with recordings of the original."""

from __future__ import annotations

from pathlib import Path

import pytest

from a3t_env.webshop.game.shop import Shop
from a3t_env.webshop.replay import KINDS, replay

pytestmark = pytest.mark.data


@pytest.mark.parametrize("kind", KINDS)
def test_recordings_agree(recorded_shop: Shop, reference_data: Path, kind: str) -> None:
    found = replay(recorded_shop, reference_data / "webshop" / "reference", kinds=[kind])
    assert found
    for agreement in found:
        unexplained = [d for d in agreement.differences if d.reason is None]
        assert not unexplained, f"{agreement.kind}: {unexplained[:3]}"
        assert agreement.good, f"{agreement.kind}: {agreement.equal} of {agreement.checked}"


def test_every_step_agrees_where_a_second_purchase_pays(recorded_shop: Shop, reference_data: Path) -> None:
    steps, parts = replay(recorded_shop, reference_data / "webshop" / "reference", pay_once=False, kinds=["episodes"])
    assert steps.share == parts.share == 1.0
    assert steps.checked > 2000
