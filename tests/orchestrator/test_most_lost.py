"""How many episodes of a phase may be given up."""

from __future__ import annotations

import pytest

from a3t_orchestrator.driver.dispatch import most_lost


@pytest.mark.parametrize(
    ("share", "total", "lost", "goes_on"),
    [
        (0.05, 6, 1, True),
        (0.05, 6, 2, False),
        (0.05, 40, 2, True),
        (0.05, 40, 3, False),
        (0.05, 1, 1, False),
        (0.0, 6, 1, False),
        (0.0, 6, 0, True),
        (1.0, 6, 6, True),
        (1.0, 1, 1, True),
    ],
)
def test_one_loss_never_ends_a_phase_that_has_others_unless_none_is_allowed(
    share: float, total: int, lost: int, goes_on: bool
) -> None:
    assert (lost <= most_lost(share, total)) is goes_on
