import pytest

pytest.register_assert_rewrite("tests.faults.outcome", "tests.faults.holds", "tests.faults.strikes")
