from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restoration.assess.quantiles import quantile, quantiles

shares = st.floats(0, 1)


@given(st.integers(1, 60), st.integers(0, 99), st.lists(shares, min_size=1, max_size=5))
def test_quantiles_are_those_of_numpy(count: int, seed: int, wanted: list[float]) -> None:
    rng = np.random.default_rng(seed)
    # Few different values: equal ones are met often.
    values = rng.integers(0, 20, (3, count)).astype(np.float32)
    expected = np.quantile(values.astype(np.float64), wanted, axis=-1)
    assert quantiles(values, wanted) == pytest.approx(expected)
    assert quantile(values[0], wanted[0]) == pytest.approx(float(expected[0, 0]))
